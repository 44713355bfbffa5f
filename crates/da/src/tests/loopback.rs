//! The same role on the real runtime: sockets on the loopback, files in a folder.

use super::{
    chain::{SimChain, config},
    network::{OPERATORS, guest},
    payload, public_blob,
};
use crate::{Record, Service, disperse, retrieve, service::Config};
use commonware_runtime::{Runner as _, Supervisor, tokio};
use primitives::MIB;

#[test]
fn a_blob_is_dispersed_and_read_back_over_real_sockets_and_files() {
    let folder = tempfile::tempdir().unwrap();
    let runtime = tokio::Config::new()
        .with_storage_directory(folder.path())
        .with_worker_threads(2);
    tokio::Runner::new(runtime).start(|context| async move {
        let nowhere = ([127, 0, 0, 1], 9).into();
        let chain = SimChain::new(vec![nowhere; OPERATORS as usize]);
        let mut services = Vec::new();
        for operator in 0..OPERATORS {
            let config = Config {
                capacity_bytes: 256 * MIB,
                unpaid_bytes_max: 256 * MIB,
                poll_ms: 20,
                ..config(operator, ([127, 0, 0, 1], 0).into())
            };
            let context = context.child("operator").with_attribute("index", operator);
            let service = Service::start(context, config, chain.clone()).await.unwrap();
            chain.set_endpoint(operator, service.listen());
            services.push(service);
        }
        let blob = public_blob(1, 8 << 20);
        let committee = chain.committee();
        let permit = chain.permit(blob.head().header());
        let certificate = disperse(&context, &guest(), &committee, &blob, &permit, |_| {})
            .await
            .unwrap();
        chain.submit(&certificate);
        let record = Record::of_header(blob.head().header());
        services.remove(3).stop();
        let retrieved = retrieve(&context, &guest(), &committee, &record, &[], |_| {})
            .await
            .unwrap();
        assert!(retrieved.coded() == payload(1, 8 << 20));
    });
}
