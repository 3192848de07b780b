//! One gate in front of an endpoint: authenticates, authorises, forwards one canonical request.
//! It doesn't know what is behind it.
