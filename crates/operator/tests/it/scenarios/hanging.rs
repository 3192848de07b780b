//! Clusters that take calls and never answer, more of them than there are workers.

use std::time::Duration;

use anyhow::{Result, ensure};
use parapet_api::Elasticsearch;
use parapet_scripted_elasticsearch::{Call, Fault};
use serde_json::{Value, json};

use super::{Group, NAME, elasticsearch, node_sets, scenario};
use crate::world::Setup;

/// One more than an operator has workers for a kind.
const HANGING: [&str; 4] = ["hangs-a", "hangs-b", "hangs-c", "hangs-d"];
/// How many changes each of them leaves without an answer.
const TIMES: usize = 3;

fn named(name: &str, mut object: Value) -> Value {
    object["metadata"]["name"] = json!(name);
    object
}

/// Calls that tell of a node's shutdown, whether they were answered or not.
fn changes(calls: &[Call]) -> Vec<&Call> {
    calls.iter().filter(|call| call.method == "PUT" && call.path.ends_with("/shutdown")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn clusters_that_hang_hold_up_no_other_one() -> Result<()> {
    scenario("hanging", Setup::impatient(), async |world| {
        let of = |count| [Group::new("default", count)];
        for name in HANGING {
            world.apply(&named(name, elasticsearch("8.15.3", &of(2))).to_string()).await?;
        }
        for name in HANGING {
            world.until_ready(name, 2).await?;
        }
        // Looks are answered all the time: what a pass asks for isn't.
        for name in HANGING {
            let es = world.elasticsearch(name).await?;
            for _ in 0..TIMES {
                es.fail_next("/_nodes/node-", Fault::Hang);
            }
            world.merge::<Elasticsearch>(name, json!({ "spec": { "nodeSets": node_sets(&of(1)) } })).await?;
        }
        for name in HANGING {
            world.elasticsearch(name).await?.until_called(|calls| !changes(calls).is_empty()).await;
        }
        world.apply(&elasticsearch("8.15.3", &of(1)).to_string()).await?;
        world.until_ready(NAME, 1).await?;
        for name in HANGING {
            world.until_ready(name, 1).await?;
            let es = world.elasticsearch(name).await?;
            let calls = es.calls();
            let changes = changes(&calls);
            ensure!(changes.len() > TIMES, "{name}: the last one was answered");
            // What a worker waited for in vain was no longer than the deadline; the pause is twice as long, and doubles.
            for (number, pair) in changes.windows(2).take(TIMES).enumerate() {
                let pause = Setup::IMPATIENT * (2 << number);
                let between = pair[1].at.duration_since(pair[0].at);
                ensure!(between + SLACK >= pause, "{name}: called again after {between:?}, not {pause:?}");
            }
        }
        Ok(())
    })
    .await
}

/// Timers have milliseconds.
const SLACK: Duration = Duration::from_millis(5);
