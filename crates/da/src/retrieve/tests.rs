use super::plan::Plan;
use crate::{
    header::{DATA_ROWS, TOTAL_ROWS},
    tests::seeded,
};
use rand_core::Rng;

/// Four operators that own every fourth row each.
fn plan() -> Plan {
    Plan::new(
        DATA_ROWS,
        (0..4)
            .map(|operator| (0..TOTAL_ROWS).filter(|row| row % 4 == operator).collect())
            .collect(),
    )
}

fn answer(plan: &mut Plan, operator: u32, rows: &[u32]) {
    rows.iter().for_each(|&row| {
        plan.come(operator, row);
    });
    plan.answered(operator);
}

#[test]
fn when_all_operators_answer_only_data_rows_are_asked_for() {
    let mut plan = plan();
    for operator in 0..4 {
        let rows = plan.next(operator);
        assert!(rows.len() == 256 && rows.iter().all(|&row| row < DATA_ROWS));
        assert!(plan.next(operator).is_empty(), "an answer is due");
        answer(&mut plan, operator, &rows);
    }
    assert!(plan.is_done());
}

/// All rows of an answer may have come before its end: asking again then would take that end for the next answer's.
#[test]
fn an_operator_is_asked_again_only_at_the_end_of_its_answer() {
    let mut plan = plan();
    plan.dead(1);
    let rows = plan.next(0);
    rows.iter().for_each(|&row| assert!(plan.come(0, row)));
    assert!(plan.next(0).is_empty());
    plan.answered(0);
    assert_eq!(plan.next(0).len(), 256);
}

#[test]
fn a_dead_operators_rows_are_made_up_for_by_the_lowest_parity_rows() {
    let mut plan = plan();
    plan.dead(2);
    let mut asked = Vec::new();
    while !plan.is_done() {
        assert!(!plan.is_hopeless());
        for operator in 0..4 {
            let rows = plan.next(operator);
            answer(&mut plan, operator, &rows);
            asked.extend(rows);
        }
    }
    assert_eq!(asked.len() as u32, DATA_ROWS);
    assert!(asked.iter().all(|&row| row < DATA_ROWS + 4 * 256 && row % 4 != 2));
}

#[test]
fn a_slow_operator_is_made_up_for_and_its_rows_are_welcome_all_the_same() {
    let mut plan = plan();
    let late = plan.next(0);
    for operator in 1..4 {
        let rows = plan.next(operator);
        answer(&mut plan, operator, &rows);
    }
    assert!(plan.next(1).is_empty(), "the slow one may still come");
    plan.slow(0);
    let parity = plan.next(1);
    assert_eq!(parity.len(), 256);
    answer(&mut plan, 0, &late[..100]);
    assert_eq!(plan.rows(), 768 + 100);
    answer(&mut plan, 1, &parity);
    assert!(plan.is_done());
}

#[test]
fn with_too_few_rows_left_a_retrieval_is_hopeless() {
    let mut plan = plan();
    [0, 1].into_iter().for_each(|operator| plan.dead(operator));
    assert!(!plan.is_hopeless());
    plan.dead(2);
    assert!(plan.is_hopeless());
}

/// Whatever operators do, a plan ends: done when 1,024 rows came, hopeless when they cannot.
#[test]
fn every_plan_ends() {
    let mut rng = seeded(1);
    for _ in 0..200 {
        let mut plan = plan();
        let mut steps = 0;
        while !plan.is_done() && !plan.is_hopeless() {
            steps += 1;
            assert!(steps < 1000);
            let operator = rng.next_u32() % 4;
            let rows = plan.next(operator);
            match rng.next_u32() % 10 {
                0 => plan.dead(operator),
                1 => plan.slow(operator),
                2 => answer(&mut plan, operator, &rows[..rows.len() / 2]),
                _ => answer(&mut plan, operator, &rows),
            }
            // Rows that nobody asked for do not count.
            assert!(!plan.come(operator, TOTAL_ROWS));
        }
        assert_eq!(plan.is_done(), plan.rows() >= DATA_ROWS);
    }
}
