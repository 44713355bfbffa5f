//! The same role on the real runtime: sockets on the loopback, files in a folder.

use super::{
    chain::{BEACON, SimChain, keys},
    network::{OPERATORS, guest},
    payload, public_blob,
};
use crate::{Domain, Record, Service, disperse, disperse::Peer, retrieve, service::Config};
use commonware_runtime::{Runner as _, Supervisor, tokio};
use primitives::{CHAIN_ID, MIB};

#[test]
fn a_blob_is_dispersed_and_read_back_over_real_sockets_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let config = tokio::Config::new()
        .with_storage_directory(folder.path())
        .with_worker_threads(2);
    tokio::Runner::new(config).start(|context| async move {
        let nowhere = ([127, 0, 0, 1], 9).into();
        let chain = SimChain::new(vec![nowhere; OPERATORS as usize]);
        let mut services = Vec::new();
        for operator in 0..OPERATORS {
            let (stream_key, bls_key) = keys(operator);
            let config = Config {
                listen: ([127, 0, 0, 1], 0).into(),
                peer: Peer {
                    stream_key,
                    domain: Domain::of_chain(CHAIN_ID),
                },
                bls_key,
                beacon: BEACON(),
                partition: format!("rows-{operator}"),
                capacity_bytes: 256 * MIB,
                unpaid_bytes_max: 256 * MIB,
                ingest_bytes_per_s: None,
                poll_ms: 20,
            };
            let context = context.child("operator").with_attribute("index", operator);
            let service = Service::start(context, config, chain.clone()).await.unwrap();
            chain.set_endpoint(operator, service.listen());
            services.push(service);
        }
        let blob = public_blob(1, 8 << 20);
        let committee = chain.committee();
        let certificate = disperse(&context, &guest(), &committee, &blob, |_| {}).await.unwrap();
        chain.submit(&certificate);
        let record = Record::of_header(certificate.header());
        services.remove(3).stop();
        let retrieved = retrieve(&context, &guest(), &committee, &record, &[], |_| {})
            .await
            .unwrap();
        assert!(retrieved.coded() == payload(1, 8 << 20));
    });
}
