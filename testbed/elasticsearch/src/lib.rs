//! A scripted Elasticsearch for tests: the calls that an operator makes, answered over TLS with state and with faults.
//! It refuses every call it doesn't know, so that nothing passes by accident.
