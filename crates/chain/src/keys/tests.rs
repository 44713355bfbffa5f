use super::*;
use commonware_codec::Encode as _;

fn keys(byte: u8) -> ValidatorKeys {
    ValidatorKeys::from_seed(&[byte; 32])
}

#[test]
fn one_seed_always_gives_the_same_keys_and_another_seed_others() {
    assert_eq!(keys(1).member(), keys(1).member());
    assert_ne!(keys(1).member().identity, keys(2).member().identity);
    assert_ne!(keys(1).member().vote_key, keys(2).member().vote_key);
}

#[test]
fn a_member_reads_back_from_its_bytes() {
    let member = keys(1).member();
    assert_eq!(Member::decode(member.encode()).unwrap(), member);
    assert_eq!(member.encode().len(), 176);
}

/// Without the check, a validator could choose its vote key to cancel the others' and sign for all of them alone.
#[test]
fn a_vote_key_without_proof_of_possession_is_refused() {
    let (honest, mut rogue) = (keys(1).member(), keys(2).member());
    rogue.possession = honest.possession;
    let identity = Box::new(rogue.identity.clone());
    assert_eq!(
        Committee::new(&[honest, rogue]).unwrap_err(),
        CommitteeError::Possession { identity }
    );
}

#[test]
fn a_committee_refuses_repeats_and_wrong_sizes() {
    let member = keys(1).member();
    let identity = Box::new(member.identity.clone());
    assert_eq!(Committee::new(&[]).unwrap_err(), CommitteeError::Size { count: 0 });
    assert_eq!(
        Committee::new(&[member.clone(), member]).unwrap_err(),
        CommitteeError::Repeated { identity }
    );
}

#[test]
fn secrets_do_not_show_in_debug_output() {
    assert_eq!(
        format!("{:?}", keys(1)),
        format!("ValidatorKeys({})", keys(1).identity())
    );
}
