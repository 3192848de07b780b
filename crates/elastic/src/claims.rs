//! The claims of a node set's pods: whose they are, how they grow, when they go.
