//! Step 5: the channel is settled into the splitter, everybody is paid, and the books balance to the last unit.

use super::{
    Stage, farm_wallet,
    report::{Earner, Farm, usdx},
    serve::Served,
    train::Trained,
};
use alloy_sol_types::SolEvent;
use anyhow::Context as _;
use contracts::{
    EventFilter, Provider as _,
    abi::{RevenueSplitter, USDX, X402BatchSettlement},
    addresses, read, write,
};
use futures::future::try_join_all;
use primitives::{Address, U256};
use std::time::{Duration, Instant};

/// How long the provider may take to settle: it does so every few seconds.
const PATIENCE: Duration = Duration::from_secs(20);

/// Pause between two looks.
const POLL: Duration = Duration::from_millis(150);

/// What everybody got.
pub struct Paid {
    /// The farms.
    pub farms: Vec<Farm>,
    /// The others.
    pub earners: Vec<Earner>,
    /// What the user paid.
    pub paid_micro_usdx: u64,
    /// What rounding left in the splitter.
    pub left_micro_usdx: u64,
}

/// Waits for the settlement, claims for everybody, reads every balance from the chain.
pub async fn run(stage: &mut Stage<'_>, trained: &Trained, served: &Served) -> anyhow::Result<Paid> {
    stage.title(5, "Pay: the channel is settled, the splitter pays everybody");
    let Served {
        splitter,
        charged_micro_usdx,
        ..
    } = *served;
    let token = addresses::USDX;
    let bar = stage.output.spinner("waiting for the provider to settle");
    let deadline = Instant::now() + PATIENCE;
    loop {
        let receivers = X402BatchSettlement::receiversCall {
            receiver: splitter,
            token,
        };
        let receiver = read(&stage.user, addresses::PAYMENT_CHANNELS, &receivers).await?;
        let unsynced = read(&stage.user, splitter, &RevenueSplitter::unsyncedCall { token }).await?;
        if receiver.totalSettled == charged_micro_usdx && unsynced.is_zero() {
            break;
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the provider did not settle: {} of {charged_micro_usdx}",
            receiver.totalSettled
        );
        tokio::time::sleep(POLL).await;
    }
    bar.finish_and_clear();
    record_settlement(stage, splitter).await?;

    let accounts: Vec<Address> = stage
        .farms
        .iter()
        .map(|farm| farm_wallet(&stage.sponsor, &farm.name).address())
        .collect();
    let sponsor = stage.sponsor.clone();
    let plain = served.plain.iter().map(|(account, _)| {
        let (sponsor, call) = (
            &sponsor,
            RevenueSplitter::claimCall {
                token,
                account: *account,
            },
        );
        async move { write(sponsor, splitter, &call, U256::ZERO).await }
    });
    let plain = try_join_all(plain).await.context("pay the plain legs")?;
    let data = accounts
        .iter()
        .zip(&trained.weights)
        .enumerate()
        .map(|(index, (account, weight))| {
            let proof = served.weights.proof(index);
            let call = RevenueSplitter::claimDataCall {
                token,
                account: *account,
                weight: U256::from(*weight),
                proof,
            };
            let sponsor = &sponsor;
            async move { write(sponsor, splitter, &call, U256::ZERO).await }
        });
    let data = try_join_all(data).await.context("pay the farms")?;
    for (mined, (_, who)) in plain.iter().zip(&served.plain) {
        stage.transaction(format!("paid: {who}"), mined);
    }
    for (index, mined) in data.iter().enumerate() {
        stage.transaction(format!("paid: farm {}", index + 1), mined);
    }

    // From here on only what the chain says.
    let mut farms = Vec::new();
    for (index, farm) in stage.farms.iter().enumerate() {
        let (rows, rows_used) = trained.rows[index];
        farms.push(Farm {
            name: farm.name.clone(),
            role: farm.role.clone(),
            rows,
            rows_used,
            solo_loss: trained.solo_losses[index],
            weight: trained.weights[index],
            earned_micro_usdx: balance(stage, accounts[index]).await?,
        });
    }
    let mut earners = Vec::new();
    for (account, name) in &served.plain {
        earners.push(Earner {
            name: name.clone(),
            earned_micro_usdx: balance(stage, *account).await?,
        });
    }
    let left_micro_usdx = balance(stage, splitter).await?;
    let paid_micro_usdx = u64::try_from(charged_micro_usdx).context("the demo pays less than that")?;

    stage.output.say(format_args!("   {:44} {:>12}", "who", "USDX"));
    for farm in &farms {
        let who = if farm.role.is_empty() {
            farm.name.clone()
        } else {
            format!("{} ({})", farm.name, farm.role)
        };
        stage
            .output
            .say(format_args!("   {who:44} {:>12}", usdx(farm.earned_micro_usdx)));
    }
    for earner in &earners {
        stage.output.say(format_args!(
            "   {:44} {:>12}",
            earner.name,
            usdx(earner.earned_micro_usdx)
        ));
    }
    stage.output.say(format_args!(
        "   {:44} {:>12}",
        "left in the splitter by rounding",
        usdx(left_micro_usdx)
    ));
    stage.output.say(format_args!(
        "   {:44} {:>12}",
        "paid by the user",
        usdx(paid_micro_usdx)
    ));

    let earned: u64 = farms.iter().map(|farm| farm.earned_micro_usdx).sum::<u64>()
        + earners.iter().map(|earner| earner.earned_micro_usdx).sum::<u64>();
    let seen = format!(
        "{} + {} = {} USDX",
        usdx(earned),
        usdx(left_micro_usdx),
        usdx(paid_micro_usdx)
    );
    let statement = "what was earned and what rounding left add up to what was paid, to the last unit";
    stage.check(earned + left_micro_usdx == paid_micro_usdx, statement, seen)?;
    let contributors = farms.len() as u64;
    let seen = format!("{left_micro_usdx} millionths for {contributors} farms");
    stage.check(
        left_micro_usdx < contributors,
        "rounding left less than one unit a farm",
        seen,
    )?;
    let honest = farms
        .iter()
        .filter(|farm| farm.role.is_empty())
        .map(|farm| farm.earned_micro_usdx);
    let (count, total) = honest.fold((0, 0), |(count, total), earned| (count + 1, total + earned));
    let most = farms
        .iter()
        .filter(|farm| !farm.role.is_empty())
        .map(|farm| farm.earned_micro_usdx)
        .max()
        .unwrap_or(0);
    let seen = format!(
        "{} at most, an honest farm {} on average",
        usdx(most),
        usdx(total / count.max(1))
    );
    stage.check(
        5 * count * most < total,
        "the copy and the shuffled farm earned next to nothing",
        seen,
    )?;
    Ok(Paid {
        farms,
        earners,
        paid_micro_usdx,
        left_micro_usdx,
    })
}

async fn balance(stage: &Stage<'_>, account: Address) -> anyhow::Result<u64> {
    let balance = read(&stage.user, addresses::USDX, &USDX::balanceOfCall { account }).await?;
    u64::try_from(balance).context("a demo account holds less than that")
}

/// The provider's own transactions, as the chain's events tell of them.
async fn record_settlement(stage: &mut Stage<'_>, splitter: Address) -> anyhow::Result<()> {
    for (what, address, topic) in [
        (
            "vouchers settled into the splitter",
            addresses::PAYMENT_CHANNELS,
            X402BatchSettlement::Settled::SIGNATURE_HASH,
        ),
        ("revenue divided", splitter, RevenueSplitter::Synced::SIGNATURE_HASH),
    ] {
        let filter = EventFilter {
            addresses: vec![address],
            topic0: vec![topic],
            from_block: 0,
            to_block: None,
        };
        for event in stage.user.events(filter).await? {
            stage.foreign_transaction(what, event.transaction).await?;
        }
    }
    Ok(())
}
