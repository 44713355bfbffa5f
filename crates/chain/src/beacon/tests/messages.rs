//! What is sent and what is written into blocks, as bytes.

use super::*;

fn some_news(random: &mut StdRng) -> BeaconNews {
    let made = random.random_bool(0.5).then(|| BeaconSharing {
        key: random.random::<[u8; 32]>().repeat(3).try_into().unwrap(),
        output: (0..random.random_range(1..200))
            .map(|_| random.random::<u8>())
            .collect(),
    });
    let count = random.random_range(0..=news::MAX_SIGNATURES);
    BeaconNews {
        ceremony: random.random_bool(0.5).then(|| BeaconCeremony {
            epoch: random.random::<u64>() >> random.random_range(0..64),
            posted: random.random(),
            counted: 3,
            required: 0,
            made,
        }),
        first_height: if count == 0 {
            0
        } else {
            random.random::<u64>() >> random.random_range(0..64)
        },
        signatures: (0..count)
            .map(|_| random.random::<[u8; 16]>().repeat(3).try_into().unwrap())
            .collect(),
    }
}

fn news_bytes(of: &BeaconNews) -> Vec<u8> {
    let mut bytes = Vec::new();
    news::write(of, &mut bytes);
    bytes
}

#[test]
fn what_a_block_says_reads_back_and_no_other_bytes_say_the_same() {
    let mut random = StdRng::seed_from_u64(3);
    for _ in 0..200 {
        let said = some_news(&mut random);
        let mut bytes = news_bytes(&said);
        assert_eq!(
            (bytes.len(), bytes.len() <= news::MAX_NEWS_BYTES),
            (news::size(&said), true)
        );
        assert_eq!(news::read(&mut Copying(bytes.as_slice())).unwrap(), said);
        for _ in 0..50 {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
            let mut rest = Copying(bytes.as_slice());
            if let Ok(read) = news::read(&mut rest) {
                assert_eq!(news_bytes(&read), bytes[..bytes.len() - rest.0.len()]);
            }
            bytes.truncate(random.random_range(1..=bytes.len()));
        }
    }
}

/// The largest output that a ceremony can come to has to fit into a block.
#[test]
fn the_output_of_the_largest_committee_fits() {
    assert!(Output::max_encode_size(plan::MAX_PARTICIPANTS) <= news::MAX_OUTPUT_BYTES);
}

#[test]
fn messages_read_back_and_mutated_ones_are_refused_or_canonical() {
    let (shared, all) = shared();
    let hall = Hall::new(1, Some(&shared), &all, &all, 1);
    let (_, dealing) = hall.nodes[&1].ceremony.outstanding().swap_remove(1);
    let secret = format!("{dealing:?}");
    let mut acknowledging = Hall::new(1, Some(&shared), &all, &all, 1);
    let (player, mine) = hall.nodes[&1].ceremony.outstanding().swap_remove(1);
    let to = acknowledging.index_of(&player);
    let node = acknowledging.nodes.get_mut(&to).unwrap();
    let acks: Acks = node.ceremony.take_dealing(&keys(1).identity(), mine).unwrap().acks;
    let messages = [
        Message::Dealing(dealing),
        Message::Acks(acks),
        Message::Partials(partials(&shared, &all, 1, 2, 9)),
    ];
    assert!(!secret.contains("share"), "{secret}");
    let mut random = StdRng::seed_from_u64(5);
    for message in messages {
        let bytes = message.encode();
        assert!(bytes.len() == message.encode_size() && bytes.len() <= max_message_bytes());
        assert_eq!(Message::decode(bytes.clone()).unwrap(), message);
        for _ in 0..300 {
            let mut mutated = bytes.to_vec();
            let at = random.random_range(0..mutated.len());
            mutated[at] ^= 1 << random.random_range(0..8);
            mutated.truncate(random.random_range(at..=mutated.len()));
            if let Ok(read) = Message::decode(Copying(mutated.as_slice())) {
                assert_eq!(read.encode(), mutated);
            }
        }
    }
}
