//! Rules, findings and reports about the posture of an observability deployment.
//! It doesn't know how manifests were read.
