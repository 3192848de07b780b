// Builds Loki from its own module, as an ordinary package. The driver adds the release's own `replace` lines, without
// which it does not build, and the requirement; see bench/src/peer/loki.rs.
module parapet/bench/peers/loki

go 1.24
