//! Which Elasticsearch nodes may be added, drained, removed or restarted now, and why the others must wait.
//! Pure decisions over an observed state; it doesn't know a client, nor how the state was observed.
