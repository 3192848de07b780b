//! A real Kubernetes control plane for tests, started on loopback and gone with its handle.
//! It doesn't know what is tested; nothing in the product depends on it.
