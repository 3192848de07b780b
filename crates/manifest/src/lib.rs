//! Kubernetes documents with the file, document, line and column of every field.
//! It doesn't know what is good or bad in them.
