//! Who sends telemetry, as far as the input shows it, for patches.

use serde_json::Value;

use super::listeners::is_prometheus;
use super::{RECEIVER_PORTS, number};
use crate::finding::Draft;
use crate::least;
use crate::reach::Protocol;
use crate::rules::repair::connect;
use crate::world::{Direction, Listener, Policy, PolicyRule, Workload, World};

/// Those that the input shows to send to a policy's workloads, as peers of it.
pub(super) fn senders(
    world: &World<'_>,
    policy: &Policy<'_>,
    is_asked_for: impl Fn((Protocol, u16)) -> bool,
) -> Vec<Value> {
    let mut senders: Vec<Value> = Vec::new();
    for number in &policy.selects {
        for (client, ports) in world.shown().clients(*number) {
            let sends = ports.iter().any(|port| is_asked_for(*port));
            let one = world.workloads.get(client).and_then(|one| least::peer(one, policy.namespace));
            senders.extend(one.filter(|one| sends && !senders.contains(one)));
        }
    }
    senders
}

/// The patch opens a receiver's port to those that may send to another one, or to those that are shown to send to it.
pub(super) fn open_receiver(
    world: &World<'_>,
    draft: &mut Draft<'_>,
    to: &Workload<'_>,
    listener: &Listener,
) {
    let port = (listener.protocol, listener.port);
    for policy in world.isolating(to, Direction::Ingress).filter(|policy| policy.selects == [to.number]) {
        let is_for_senders = |rule: &PolicyRule<'_>| {
            let ports = rule.ports();
            !rule.is_for_anybody()
                && !is_prometheus(rule)
                && ports
                    .iter()
                    .any(|(_, port)| number(port).is_some_and(|port| RECEIVER_PORTS.contains(&port)))
        };
        if let Some(rule) = policy.rules(Direction::Ingress).iter().find(|rule| is_for_senders(rule)) {
            draft.push_in(policy.document, format!("{}/ports", rule.pointer), least::port(port));
            return;
        }
    }
    for (client, ports) in world.shown().clients(to.number) {
        if let Some(from) = world.workloads.get(client).filter(|_| ports.contains(&port)) {
            connect(world, draft, from, to, &[port]);
        }
    }
}
