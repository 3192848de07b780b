//! Who can talk to whom in a cluster, computed from its policies, and why.
//! It doesn't know files or clusters: it is pure.
