use super::*;
use alloy_sol_types::SolEvent;
use primitives::{Address, B256, U256};

const OURS: Address = Address::repeat_byte(1);

fn event(event: &impl SolEvent) -> Event {
    let data = event.encode_log_data();
    Event {
        address: contracts::addresses::DA_CHALLENGES,
        topics: data.topics().to_vec(),
        data: data.data,
        block: 1,
        transaction: B256::ZERO,
        log_index: 0,
    }
}

fn challenged(row: u32, operator: u32, deadline: u64) -> Event {
    event(&Challenged {
        root: B256::repeat_byte(7),
        account: Address::repeat_byte(operator as u8),
        row,
        chunk: 0,
        operator,
        challenger: Address::repeat_byte(9),
        deadline,
        deposit: U256::ZERO,
    })
}

fn rows(docket: &Docket) -> Vec<u32> {
    docket.waiting().iter().map(|dispute| dispute.challenge.row).collect()
}

#[test]
fn disputes_wait_in_the_order_of_their_deadlines_until_they_are_settled() {
    let mut docket = Docket::new(OURS);
    for (row, operator, deadline) in [(5, 1, 30), (6, 1, 20), (7, 2, 10), (8, 1, 40)] {
        docket.record(&challenged(row, operator, deadline));
    }
    assert_eq!(rows(&docket), [6, 5, 8]);
    let (root, chunk) = (B256::repeat_byte(7), 0);
    let answered = |account, row| {
        event(&Answered {
            root,
            account,
            row,
            chunk,
            sample: Default::default(),
        })
    };
    docket.record(&answered(Address::repeat_byte(2), 6));
    assert_eq!(docket.len(), 3, "another operator's answer is not ours");
    docket.record(&answered(OURS, 6));
    docket.record(&event(&Disowned {
        root,
        account: OURS,
        row: 8,
        chunk,
    }));
    assert_eq!(rows(&docket), [5]);
    assert_eq!(docket.expire(29), []);
    assert_eq!(docket.expire(30).len(), 1);
    assert!(docket.is_empty());
}

#[test]
fn a_full_docket_passes_disputes_over_and_says_so_once_there_is_room() {
    let mut docket = Docket::new(OURS);
    for row in 0..MAX_DISPUTES as u32 + 1 {
        docket.record(&challenged(row, 1, u64::from(row) + 1));
    }
    assert_eq!(docket.len(), MAX_DISPUTES);
    assert!(!docket.take_overflow(), "there is no room yet");
    docket.expire(MAX_DISPUTES as u64 - 10);
    assert!(docket.take_overflow());
    assert!(!docket.take_overflow());
}
