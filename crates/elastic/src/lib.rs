//! What Elasticsearch, Kibana and APM Server need as Kubernetes objects: a pure function of the custom resource and of what
//! was read. It doesn't know a client, a clock, or how certificates are made.
