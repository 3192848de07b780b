//! Who votes for the master, and whether there can be one.
//!
//! Elasticsearch keeps the names of those whose majority decides, and changes them when nodes come and go: an odd number, not
//! fewer than three once there were three, those first that are there. What is excluded by hand leaves as soon as it can.

use std::collections::BTreeSet;

/// The voting configuration.
#[derive(Clone, Debug, Default)]
pub struct Voting {
    voters: BTreeSet<String>,
    exclusions: BTreeSet<String>,
    lost: bool,
    times_lost: usize,
}

impl Voting {
    /// The names of those who vote.
    pub fn voters(&self) -> &BTreeSet<String> {
        &self.voters
    }

    /// The names that are excluded.
    pub fn exclusions(&self) -> &BTreeSet<String> {
        &self.exclusions
    }

    /// Whether there is a master.
    pub fn has_master(&self) -> bool {
        !self.voters.is_empty() && !self.lost
    }

    /// How often a majority went away: an outage of the whole cluster.
    pub fn times_lost(&self) -> usize {
        self.times_lost
    }

    /// Excludes names, and takes them out of the vote if the rest can decide.
    pub(crate) fn exclude(&mut self, names: impl IntoIterator<Item = String>, live: &BTreeSet<String>) {
        self.exclusions.extend(names);
        self.reconfigure(live);
    }

    /// Ends all exclusions.
    pub(crate) fn include_all(&mut self, live: &BTreeSet<String>) {
        self.exclusions.clear();
        self.reconfigure(live);
    }

    /// To be called whenever `live`, the names of the master-eligible nodes that are there, has changed.
    pub(crate) fn reconfigure(&mut self, live: &BTreeSet<String>) {
        if self.voters.is_empty() {
            // The first ones form the cluster.
            self.voters = self.target(live);
            return;
        }
        if !majority(&self.voters, live) {
            self.times_lost += usize::from(!self.lost);
            self.lost = true;
            return;
        }
        self.lost = false;
        let target = self.target(live);
        if majority(&target, live) {
            self.voters = target;
        }
    }

    fn target(&self, live: &BTreeSet<String>) -> BTreeSet<String> {
        let usable: BTreeSet<&String> = live.difference(&self.exclusions).collect();
        let at_least = if self.voters.len() < 3 { 1 } else { 3 };
        let odd = usable.len().saturating_sub(usize::from(usable.len().is_multiple_of(2)));
        let size = odd.max(at_least);
        let kept = |name: &&String| !self.exclusions.contains(*name);
        let voting_and_here = self.voters.iter().filter(kept).filter(|name| usable.contains(name));
        let new = usable.iter().copied().filter(|name| !self.voters.contains(*name));
        let voting_and_gone = self.voters.iter().filter(kept).filter(|name| !usable.contains(name));
        voting_and_here.chain(new).chain(voting_and_gone).take(size).cloned().collect()
    }
}

fn majority(voters: &BTreeSet<String>, live: &BTreeSet<String>) -> bool {
    voters.intersection(live).count() * 2 > voters.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> BTreeSet<String> {
        text.split_whitespace().map(str::to_owned).collect()
    }

    /// Applies what is live one after the other; "!a" excludes a, "!" ends exclusions.
    fn check(steps: &[&str], voters: &str, times_lost: usize) {
        let mut voting = Voting::default();
        let mut live = BTreeSet::new();
        for step in steps {
            match step.strip_prefix('!') {
                Some("") => voting.include_all(&live),
                Some(excluded) => voting.exclude(names(excluded), &live),
                None => {
                    live = names(step);
                    voting.reconfigure(&live);
                }
            }
        }
        assert_eq!(voting.voters(), &names(voters), "after {steps:?}");
        assert_eq!(voting.times_lost(), times_lost, "after {steps:?}");
    }

    #[test]
    fn an_odd_number_votes_and_the_last_one_gone_takes_the_cluster_with_it() {
        check(&["a"], "a", 0);
        check(&["a b"], "a", 0);
        check(&["a", "a b c"], "a b c", 0);
        check(&["a b", "a"], "a", 0);
        check(&["a b", "b"], "a", 1);
        check(&["a b c", "a b", "a b c"], "a b c", 0);
        check(&["a b c", "a b", "a"], "a b c", 1);
        check(&["a b c d e", "a b c", "a b"], "a b c", 0);
        check(&["a b c", "b c d"], "b c d", 0);
    }

    #[test]
    fn exclusions_hand_the_vote_over() {
        check(&["a b", "!a", "b"], "b", 0);
        check(&["a b c", "!a"], "b c", 0);
        check(&["a b c", "!a", "b c"], "b", 0);
        check(&["a b c", "!a", "b c", "!", "b c d"], "b c d", 0);
        check(&["a b c", "!a b c"], "a b c", 0);
    }
}
