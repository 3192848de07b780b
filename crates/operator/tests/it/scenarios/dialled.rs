//! By which names the operator calls Elasticsearch.

use std::collections::BTreeSet;

use anyhow::{Result, ensure};
use parapet_operator::elasticsearch::Dialling;

use super::{Group, NAME, elasticsearch, scenario};
use crate::world::Setup;

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_called_by_its_service_where_that_is_asked_for() -> Result<()> {
    let check = async |namespace: &str, dialling: Dialling, expected: &[&str]| {
        let setup = Setup { dialling, ..Setup::default() };
        scenario(namespace, setup, async |world| {
            world.apply(&elasticsearch("8.15.3", &[Group::new("default", 1)]).to_string()).await?;
            world.until_ready(NAME, 1).await?;
            let expected: BTreeSet<String> =
                expected.iter().map(|host| format!("{host}.{namespace}")).collect();
            let dialled = world.nodes.dialled();
            ensure!(dialled == expected, "{dialled:?}");
            Ok(())
        })
        .await
    };
    check("dialled-pods", Dialling::Pods, &["quickstart-es-default-0.quickstart-es-default"]).await?;
    check("dialled-service", Dialling::Service, &["quickstart-es-http"]).await
}
