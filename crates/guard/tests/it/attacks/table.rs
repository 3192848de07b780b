//! `docs/guard-attacks.md` is made of this table. `UPDATE_REFERENCE=1 cargo test -p parapet-guard` writes it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

struct Row {
    id: &'static str,
    attack: &'static str,
    reference: &'static str,
    ours: &'static str,
    /// Functions of tests in this crate, or in `pki` where it is the one who withstands.
    tests: &'static [&'static str],
}

const fn row(
    id: &'static str,
    attack: &'static str,
    reference: &'static str,
    ours: &'static str,
    tests: &'static [&'static str],
) -> Row {
    Row { id, attack, reference, ours, tests }
}

const ROWS: &[Row] = &[
    row(
        "P1",
        "encoded dot segments: `/api/%2e%2e/metrics`, `/x/..%2fy`",
        "authorised as `/api/../metrics`, forwarded with the escapes",
        "400, nobody is asked",
        &["p1_encoded_dot_segments"],
    ),
    row(
        "P2",
        "literal `..`, `.`, `//`",
        "redirects, unauthenticated callers too; `CONNECT` is not cleaned",
        "400",
        &["p2_literal_dots_and_empty_segments", "redirects_before_authentication"],
    ),
    row(
        "P3",
        "double encoding: `%252e%252e%252f`",
        "matched after one decoding, forwarded as it came",
        "400",
        &["p3_double_encoding"],
    ),
    row(
        "P4",
        "`%2f`, `%5c`, raw backslash",
        "`/api/v1%2flabels` matches an open `/api/*`",
        "400",
        &["p4_encoded_slash_and_backslash"],
    ),
    row(
        "P5",
        "path parameters: `/api/v1/..;/x`, `/metrics;x`",
        "part of the path, matches globs",
        "400 on dotted or empty segments; elsewhere part of the path, and such a path is never open",
        &["p5_path_parameters"],
    ),
    row(
        "P6",
        "NUL, control bytes, raw UTF-8, `%zz`",
        "`%00` is accepted",
        "400; escaped UTF-8 text passes in its one spelling",
        &["p6_control_bytes_raw_text_and_bad_escapes", "p6_escaped_text_is_forwarded_as_it_was_authorised"],
    ),
    row(
        "P7",
        "`#` in the target",
        "becomes `%23`",
        "400 in HTTP/1; in HTTP/2 it reaches neither the gate nor the upstream",
        &["p7_fragment_in_the_target"],
    ),
    row(
        "P8",
        "`/METRICS`, `/metrics/` against an open `/metrics`",
        "no match",
        "no match",
        &["p8_case_and_trailing_slash"],
    ),
    row(
        "P9",
        "open `/static/*`, request `/static/%2e%2e`",
        "open to all",
        "400, with `--krp-compat` too",
        &["p9_glob_parent_escape", "p9_globs_stay_closed_in_compatibility"],
    ),
    row(
        "P10",
        "absolute, authority and asterisk targets, `CONNECT`, `TRACE`",
        "`OPTIONS *` is answered 200 before any handler; `CONNECT` is authorised like the rest",
        "absolute only if it agrees with `Host`; others 400; `CONNECT`, `TRACE` and methods in lower case 405 before authentication",
        &[
            "p10_odd_targets",
            "p10_connect_and_trace_over_http2",
            "p10_methods_are_what_they_are_called",
            "an_asterisk_answered_before_any_handler",
        ],
    ),
    row(
        "P11",
        "paths that Kubernetes' default roles open to everybody known",
        "every ServiceAccount gets `/api/*` of the upstream",
        "the same without allow-paths, with a warning at the start; listed paths alone exist",
        &["p11_default_roles_overlap"],
    ),
    row(
        "H1",
        "`X-Remote-*`, `Impersonate-*`, `X-Forwarded-User`, `X-Auth-Request-*` from the client",
        "pass unless injection is on, and on open paths always",
        "removed always",
        &["h1_identity_headers_of_the_client", "h1_identity_headers_of_the_client_over_http2"],
    ),
    row(
        "H2",
        "`x_remote_user`, `X-Remote_User`, `x.remote.user`",
        "pass beside the real header",
        "removed: compared as the laxest upstream reads them",
        &["h2_underscores_and_odd_spellings", "identity_in_any_spelling"],
    ),
    row(
        "H3",
        "`Connection: close, x-remote-user`",
        "takes the gate's own header away",
        "hop-by-hop removal first, injection last",
        &["h3_connection_takes_no_identity_away", "h3_connection_takes_its_own_away"],
    ),
    row(
        "H4",
        "`Connection` names `Authorization`, `Cookie`, `Host`, `Content-Length`",
        "removed",
        "400",
        &["h4_connection_names_end_to_end_headers"],
    ),
    row(
        "H5",
        "a group that contains the separator",
        "two groups",
        "left out",
        &["h5_groups_with_separators", "a_group_with_the_separator_is_no_second_group"],
    ),
    row(
        "H6",
        "a user's name with CR, LF or other than ASCII",
        "an error while forwarding",
        "401, never written",
        &["h6_names_that_a_header_cannot_carry", "what_a_header_cannot_carry_is_not_written"],
    ),
    row(
        "H7",
        "`X-Forwarded-For`, `-Host`, `-Proto`, `Forwarded`, `X-Original-URL`",
        "appended to or passed",
        "written anew; appended to only for trusted networks",
        &["h7_forwarding_headers_are_written_anew"],
    ),
    row(
        "H8",
        "`X-HTTP-Method-Override`",
        "passes",
        "removed; the verb is the method's",
        &["h8_method_override"],
    ),
    row(
        "H9",
        "credentials that reach the upstream",
        "kept with client certificates and on open paths; cookies always",
        "removed unless asked for",
        &["h9_credentials_end_at_the_gate", "h9_credentials_pass_if_asked_for"],
    ),
    row(
        "H10",
        "101 headers, a header of 1 MiB",
        "1 MiB is accepted",
        "431",
        &["h10_too_many_and_too_long_headers"],
    ),
    row(
        "S1",
        "`Content-Length` with `Transfer-Encoding`, duplicates, `gzip, chunked`, bare line feeds, malformed chunks, no or two `Host`",
        "mostly refused; bare line feeds and some codings pass",
        "400, and the connection ends: what follows is never read",
        &[
            "s1_two_lengths",
            "s1_odd_lengths_and_codings",
            "s1_bare_line_feeds",
            "s1_a_malformed_chunk_ends_the_connection",
            "s1_hosts",
            "s1_what_is_plain_passes_in_one_piece_or_many",
            "cuts_make_no_difference",
        ],
    ),
    row(
        "S2",
        "HTTP/2 fields that mean something else in HTTP/1",
        "refused by its library",
        "refused; what is forwarded is written from parsed parts",
        &["s2_odd_pseudo_headers_and_fields", "s2_plain_frames_pass", "s2_what_is_forwarded_is_written_anew"],
    ),
    row(
        "S3",
        "a raw tunnel behind an upgrade",
        "any protocol on any path; what follows is neither authorised nor cleaned",
        "off; where a path allows it `websocket` alone, without body, and 101 must be what was asked for",
        &[
            "s3_upgrades_are_off",
            "s3_upgrades_only_where_they_are_allowed",
            "s3_only_websockets_are_upgrades",
            "s3_an_upgrade_has_no_body",
            "s3_the_answer_must_be_what_was_asked_for",
            "s3_no_101_without_an_upgrade",
        ],
    ),
    row(
        "S4",
        "a tunnel that outlives its right",
        "as long as both ends like",
        "decided anew every minute; an hour at most",
        &["s4_a_tunnel_ends_when_its_caller_may_no_longer_have_it", "s4_a_tunnel_has_a_longest_life"],
    ),
    row("S5", "`Upgrade: h2c`", "forwarded", "never forwarded", &["s5_h2c_upgrade_is_never_passed_on"]),
    row(
        "S6",
        "identity in trailers",
        "passes",
        "removed, and not announced",
        &["s6_trailers_carry_no_identity", "s6_trailers_over_http2_carry_no_identity"],
    ),
    row(
        "Q1",
        "`?namespace=ok&x=1;namespace=bad`, `%6eamespace`, `Namespace`, `namespace[]`, 10,001 parameters",
        "authorised for what it reads, forwarded whole",
        "400; what is forwarded is written from the pairs that were authorised",
        &[
            "q1_no_parameter_that_the_gate_did_not_see",
            "q1_what_is_forwarded_is_what_was_authorised",
            "q1_every_value_is_authorised",
            "forwarded_pairs_are_the_authorised_pairs",
            "parameters_that_only_the_upstream_sees",
        ],
    ),
    row(
        "Q2",
        "the parameter in a form body",
        "unseen",
        "415 where parameters decide",
        &["q2_parameters_in_a_form_body", "form_bodies_hide_parameters"],
    ),
    row(
        "Q3",
        "1,000 values, 1,000 reviews",
        "one review each",
        "400",
        &["q3_many_values", "values_are_names_and_few"],
    ),
    row("Q4", "`ns: a,b`", "one value", "400: no Kubernetes name", &["q4_q5_values_that_are_no_names"]),
    row(
        "Q5",
        "`*`, empty, `..`, `a/b` as a value",
        "as it is; empty means all namespaces",
        "400",
        &["q4_q5_values_that_are_no_names"],
    ),
    row(
        "A1",
        "a revoked token within the cache's time",
        "up to 2 minutes",
        "10 seconds, never past its own end",
        &[
            "a1_a_revoked_token_is_refused_after_its_time",
            "revoked_token",
            "a_token_is_remembered_no_longer_than_it_lives",
        ],
    ),
    row(
        "A2",
        "a right taken away within the cache's time",
        "up to 5 minutes",
        "10 seconds",
        &["a2_a_right_taken_away_is_refused_after_its_time", "revoked_permission"],
    ),
    row(
        "A3",
        "a flood of bad tokens",
        "one review each",
        "looked at first, remembered, and bounded per source",
        &["bad_token_flood"],
    ),
    row(
        "A4",
        "a million paths or tokens in the caches",
        "the token cache has no bound",
        "bounded, keyed by a secret hash",
        &["its_size_is_bounded"],
    ),
    row(
        "A5",
        "an API server that is down, slow, 429, or answers garbage",
        "401 or 500",
        "503 with `Retry-After`",
        &[
            "a5_an_api_server_that_gives_no_answer",
            "tokens_of_an_api_server_that_fails",
            "rights_of_an_api_server_that_fails",
        ],
    ),
    row(
        "A6",
        "a token for somebody else; an answer without audiences",
        "the second is accepted",
        "401 to both",
        &["audiences", "unchecked_audiences_are_accepted_for_compatibility_alone"],
    ),
    row(
        "A7",
        "JWT: `alg: none`, HS256 with an RSA key, unknown keys",
        "its library refuses",
        "refused; keys are fetched seldom",
        &[
            "forged_tokens",
            "a_new_key_is_found_and_strangers_cannot_make_us_ask_for_more",
            "bad_claims_name_nobody",
        ],
    ),
    row(
        "A8",
        "two `Authorization` headers, lists, other schemes",
        "the first counts",
        "400; anything but one bearer token is no token",
        &["a8_two_authorization_headers", "two_authorizations_are_ambiguous_even_if_equal"],
    ),
    row(
        "A9",
        "client certificates: wrong usage, expired, no name, `O=system:masters` of a foreign authority",
        "names are believed",
        "refused; `system:` names only if opted in",
        &["certificates_that_name_nobody", "names_of_kubernetes_itself_if_asked_for"],
    ),
    row(
        "A10",
        "resumption after the trust has changed",
        "resumes",
        "each generation has its own sessions",
        &[
            "a_session_is_resumed_with_the_configuration_that_it_began_with_and_no_other",
            "an_authority_that_is_no_longer_trusted",
        ],
    ),
    row(
        "A11",
        "a connection that outlives its certificate or its trust",
        "expiry is checked; trust isn't",
        "both for each request; connections of a replaced configuration end, and all grow only so old",
        &[
            "a11_connections_of_a_replaced_configuration_end",
            "a_certificate_ends_on_a_connection_that_stands",
            "an_authority_that_is_no_longer_trusted",
            "connections_grow_only_so_old",
        ],
    ),
    row(
        "A12",
        "users told apart by the refusal",
        "user and verb in the body, the reason in the log",
        "who is unknown learns nothing; who is denied reads its own name and no reason",
        &["a12_a_refusal_says_nothing_of_why", "a_denial_names_who_and_what_and_no_reason"],
    ),
    row(
        "A13",
        "a static rule with groups alone",
        "matches everybody",
        "groups are looked at",
        &["static_groups_are_looked_at", "group_only_static_rule"],
    ),
    row(
        "D1",
        "slow heads and bodies, idle connections, many of them",
        "no timeout in HTTP/1",
        "10 s for a head, 60 s for a silent body, 90 s idle; bounds in all, per address, and on requests",
        &[
            "d1_slow_heads_and_idle_connections_end",
            "d1_slow_bodies_end",
            "d1_connections_are_bounded",
            "d1_requests_are_bounded",
        ],
    ),
    row(
        "D2",
        "rapid reset, CONTINUATION flood, MadeYouReset, PING and SETTINGS floods, zero windows",
        "bounded since 0.15",
        "the connection ends; a stream whose reader gives no room for 60 s is reset",
        &[
            "d2_rapid_reset",
            "d2_continuation_flood",
            "d2_made_you_reset",
            "d2_pings_and_settings_are_answered_not_hoarded",
            "d2_a_zero_window_is_reset_in_time",
            "d2_a_slow_upstream_is_no_slow_reader",
        ],
    ),
    row(
        "D3",
        "a huge answer to a slow reader",
        "streams",
        "streams, holds the upstream back, and ends with the reader's patience",
        &[
            "d3_a_slow_reader_holds_the_upstream_back",
            "d3_a_reader_of_http2_that_stops_holds_the_upstream_back",
        ],
    ),
    row(
        "D4",
        "a flood of handshakes, early data",
        "no bound",
        "256 at once, 10 s each; early data is off",
        &["d4_handshakes_have_their_time"],
    ),
    row(
        "D5",
        "compressed answers",
        "asks for gzip itself and unpacks",
        "neither packs nor unpacks",
        &["d5_nothing_is_compressed_or_decompressed", "gzip_asked_for_in_the_clients_name"],
    ),
    row(
        "R1",
        "half-written certificate pairs during a rotation",
        "the process exits",
        "the last good pair stays",
        &[
            "half_a_pair_is_waited_out",
            "the_last_good_pair_stays_whatever_comes",
            "a_mounted_secret_is_never_read_half_old_half_new",
        ],
    ),
    row(
        "R2",
        "line breaks in names and paths; tokens in the log",
        "tokens were logged at `-v=10` before 0.18.2",
        "escaped; no token at any level",
        &["r2_one_line_for_each_decision_and_never_a_secret"],
    ),
    row(
        "R3",
        "another host in the target or `Host`",
        "the upstream is fixed",
        "the upstream is fixed",
        &["r3_the_upstream_is_where_it_was_configured"],
    ),
    row(
        "R4",
        "another's socket where the upstream's was",
        "no Unix sockets",
        "no links; the listener's user is checked if configured",
        &["a_unix_socket"],
    ),
    row(
        "R5",
        "tricks with paths on the health port",
        "fixed routes",
        "fixed routes, nothing is forwarded",
        &["r5_the_health_port_has_fixed_routes"],
    ),
    row(
        "R6",
        "identity headers or HTTP/2 in clear text to another machine",
        "starts",
        "refuses to start",
        &["what_leaves_this_machine"],
    ),
];

fn page() -> String {
    let mut page = String::from(
        "# Attacks on the gate\n\n\
         Made from `crates/guard/tests/it/attacks/table.rs`; a test compares. What the reference (kube-rbac-proxy 0.21) does was read in its\n\
         source or tried out. Requests go through real sockets, HTTP/1.1 as raw bytes, HTTP/2 as raw frames where a library would not send them;\n\
         an upstream records what reached it.\n\n\
         | id | attack | the reference | this gate | tests |\n|---|---|---|---|---|\n",
    );
    for Row { id, attack, reference, ours, tests } in ROWS {
        let tests = tests.iter().map(|test| format!("`{test}`")).collect::<Vec<_>>().join(", ");
        writeln!(page, "| {id} | {attack} | {reference} | {ours} | {tests} |").unwrap();
    }
    page
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[test]
fn the_page_is_the_table() {
    let path = root().join("docs/guard-attacks.md");
    if std::env::var_os("UPDATE_REFERENCE").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == page(),
        "docs/guard-attacks.md is not what the table says: run with UPDATE_REFERENCE=1"
    );
}

#[test]
fn every_row_has_a_test() {
    let mut sources = String::new();
    for folder in ["guard/src", "guard/tests", "pki/src", "pki/tests"] {
        read_all(&root().join("crates").join(folder), &mut sources);
    }
    for Row { id, tests, .. } in ROWS {
        assert!(!tests.is_empty(), "{id}");
        for test in *tests {
            assert!(sources.contains(&format!("fn {test}(")), "{id} names {test}, which there is not");
        }
    }
}

fn read_all(folder: &Path, sources: &mut String) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            read_all(&path, sources);
        } else {
            sources.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}
