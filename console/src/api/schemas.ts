// Written by `npm run api-types` from docs/reference/openapi.json.
export interface components {
    schemas: {
        CertificateStatus: {
            name: string;
            not_after: string;
        };
        Explained: {
            allowed: boolean;
            modes: string;
            verdicts: components["schemas"]["Verdict"][];
        };
        FieldValue: {
            /** Format: int64 */
            count: number;
            value: string;
        };
        FieldValues: {
            values: components["schemas"]["FieldValue"][];
        };
        GeneratedPolicy: {
            /** Format: int64 */
            declared: number;
            namespace: string;
            notes: string[];
            /** Format: int64 */
            pairs: number;
            proved: boolean;
            unproved: string[];
            yaml: string;
        };
        Histogram: {
            buckets: components["schemas"]["HistogramBucket"][];
            /** Format: int64 */
            interval_seconds: number;
            series: string[];
        };
        HistogramBucket: {
            counts: {
                [key: string]: number;
            };
            ts: string;
        };
        LogRow: {
            attributes: Record<string, never>;
            body: string;
            event_name?: string | null;
            host_name?: string | null;
            k8s_container_name?: string | null;
            k8s_namespace_name?: string | null;
            k8s_pod_name?: string | null;
            resource: Record<string, never>;
            /** Format: int64 */
            seq: number;
            service_name?: string | null;
            /** Format: int32 */
            severity_number?: number | null;
            severity_text?: string | null;
            span_id?: string | null;
            trace_id?: string | null;
            ts: string;
        };
        ManifestProblem: {
            /** Format: int32 */
            column: number;
            file: string;
            /** Format: int32 */
            line: number;
            message: string;
            severity: string;
        };
        MetricName: {
            description?: string | null;
            kind: string;
            name: string;
            /** Format: int64 */
            series: number;
            unit?: string | null;
        };
        MetricNames: {
            metrics: components["schemas"]["MetricName"][];
        };
        MetricSeries: {
            /** Format: int64 */
            interval_seconds: number;
            kind?: string | null;
            name: string;
            series: components["schemas"]["Series"][];
            unit?: string | null;
        };
        Minted: {
            secret: string;
            token: components["schemas"]["Token"];
        };
        Posture: {
            cells: number[][];
            computed_at?: string | null;
            configured: boolean;
            demo: boolean;
            findings: components["schemas"]["PostureFinding"][];
            /** Format: int64 */
            findings_total: number;
            grouped: boolean;
            incomplete: boolean;
            modes: string;
            notes: string[];
            ports: string[];
            problems: components["schemas"]["ManifestProblem"][];
            sources: string[];
            workloads: components["schemas"]["PostureWorkload"][];
            /** Format: int64 */
            workloads_total: number;
        };
        PostureFinding: {
            /** Format: int32 */
            column: number;
            decide: string;
            evidence: string[];
            file: string;
            fix: string;
            group: string;
            /** Format: int32 */
            line: number;
            message: string;
            namespace: string;
            object: string;
            patch: string;
            patch_omitted: boolean;
            repairs: boolean;
            rule: string;
            sample: string;
            severity: string;
            title: string;
            why: string;
            workloads: number[];
        };
        PostureWorkload: {
            exposed_outside: boolean;
            id: string;
            isolated_egress: boolean;
            isolated_ingress: boolean;
            kind: string;
            name: string;
            namespace: string;
        };
        ReceiverStatus: {
            /** Format: int64 */
            accepted_total: number;
            address: string;
            kind: string;
            name: string;
            refused: components["schemas"]["RefusedCount"][];
        };
        RefusedCount: {
            /** Format: int64 */
            count: number;
            reason: string;
        };
        RefusedRows: {
            reason: string;
            /** Format: int64 */
            rows: number;
        };
        Retention: {
            /** Format: int64 */
            days: number;
            signal: string;
        };
        SecretStatus: {
            /** Format: int64 */
            age_seconds?: number | null;
            /** Format: int32 */
            failures: number;
            last_failure?: string | null;
            name: string;
            required: boolean;
            stale: boolean;
            users: components["schemas"]["SecretUser"][];
            version?: string | null;
        };
        SecretUser: {
            applied?: string | null;
            name: string;
            refused?: string | null;
        };
        Series: {
            labels: {
                [key: string]: string;
            };
            points: [
                string,
                number | null
            ][];
        };
        Session: {
            csrf_token: string;
            expires_at: string;
            user: components["schemas"]["SessionUser"];
        };
        SessionUser: {
            name: string;
            role: string;
        };
        SignalStatus: {
            last_ts?: string | null;
            refused: components["schemas"]["RefusedRows"][];
            /** Format: double */
            rows_per_second: number;
            /** Format: int64 */
            rows_total: number;
            signal: string;
        };
        SourceStatus: {
            kind: string;
            /** Format: int64 */
            lag_bytes: number;
            /** Format: double */
            oldest_unread_age_seconds: number;
            path: string;
            state: string;
        };
        SpanRow: {
            attributes: Record<string, never>;
            /** Format: int64 */
            duration_ns: number;
            events: Record<string, never>[];
            kind?: string | null;
            links: Record<string, never>[];
            name: string;
            parent_span_id?: string | null;
            resource: Record<string, never>;
            scope_name?: string | null;
            service_name?: string | null;
            span_id: string;
            status_code?: string | null;
            status_message?: string | null;
            ts: string;
        };
        SqlColumn: {
            name: string;
            type: string;
        };
        SqlResult: {
            columns: components["schemas"]["SqlColumn"][];
            /** Format: int64 */
            elapsed_ms: number;
            rows: Record<string, never>[][];
            truncated: boolean;
        };
        Status: {
            certificates: components["schemas"]["CertificateStatus"][];
            demo: boolean;
            receivers: components["schemas"]["ReceiverStatus"][];
            recovery: Record<string, never>;
            secrets: components["schemas"]["SecretStatus"][];
            signals: components["schemas"]["SignalStatus"][];
            sources: components["schemas"]["SourceStatus"][];
            started_at: string;
            store: components["schemas"]["StoreStatus"];
            version: string;
        };
        StatusCount: {
            /** Format: int64 */
            requests: number;
            /** Format: int32 */
            status: number;
        };
        StoreStatus: {
            /** Format: int64 */
            disk_bytes: number;
            /** Format: int64 */
            disk_free_bytes: number;
            failed?: string | null;
            /** Format: int64 */
            memtable_bytes: number;
            newest_ts?: string | null;
            oldest_ts?: string | null;
            retention: components["schemas"]["Retention"][];
            /** Format: int64 */
            rows: number;
            /** Format: int64 */
            segments: number;
            /** Format: int64 */
            wal_bytes: number;
        };
        Token: {
            created_at: string;
            expires_at?: string | null;
            id: string;
            last_used_at?: string | null;
            name: string;
            scopes: components["schemas"]["TokenScope"][];
        };
        /** @enum {string} */
        TokenScope: "ingest" | "read" | "admin";
        TokenWish: {
            /** Format: int32 */
            expires_in_days?: number | null;
            name: string;
            scopes: components["schemas"]["TokenScope"][];
        };
        Tokens: {
            tokens: components["schemas"]["Token"][];
        };
        TopRow: {
            /** Format: int64 */
            bytes_sent: number;
            /** Format: int64 */
            errors: number;
            name: string;
            /** Format: double */
            p95_ms?: number | null;
            /** Format: int64 */
            requests: number;
        };
        Trace: {
            spans: components["schemas"]["SpanRow"][];
            trace_id: string;
            truncated: boolean;
        };
        TraceRow: {
            /** Format: double */
            duration_ms: number;
            /** Format: int64 */
            error_count: number;
            root_name: string;
            root_service?: string | null;
            services: string[];
            /** Format: int64 */
            span_count: number;
            trace_id: string;
            ts: string;
        };
        TrafficBucket: components["schemas"]["TrafficPercentiles"] & {
            by_class: {
                [key: string]: number;
            };
            /** Format: int64 */
            requests: number;
            ts: string;
        };
        TrafficLeg: {
            /** Format: int64 */
            bytes_received?: number | null;
            /** Format: int64 */
            bytes_sent?: number | null;
            /** Format: int64 */
            duration_ms?: number | null;
            event: Record<string, never>;
            final_status?: string | null;
            http_method?: string | null;
            /** Format: int32 */
            http_status?: number | null;
            /** Format: int32 */
            leg: number;
            operation?: string | null;
            path?: string | null;
            remote_addr?: string | null;
            service?: string | null;
            trace_id?: string | null;
            ts: string;
        };
        TrafficOverview: {
            buckets: components["schemas"]["TrafficBucket"][];
            /** Format: int64 */
            interval_seconds: number;
            source: components["schemas"]["TrafficSource"];
            status_codes: components["schemas"]["StatusCount"][];
            top_apps: components["schemas"]["TopRow"][];
            top_operations: components["schemas"]["TopRow"][];
            top_services: components["schemas"]["TopRow"][];
            totals: components["schemas"]["TrafficTotals"];
        };
        TrafficPercentiles: {
            /** Format: double */
            p50_ms?: number | null;
            /** Format: double */
            p95_ms?: number | null;
            /** Format: double */
            p99_ms?: number | null;
        };
        TrafficRow: {
            app?: string | null;
            app_org?: string | null;
            /** Format: int64 */
            bytes_received?: number | null;
            /** Format: int64 */
            bytes_sent?: number | null;
            correlation_id?: string | null;
            /** Format: int64 */
            duration_ms?: number | null;
            final_status?: string | null;
            gateway_name?: string | null;
            http_method?: string | null;
            /** Format: int32 */
            http_status?: number | null;
            operation?: string | null;
            path?: string | null;
            remote_addr?: string | null;
            /** Format: int64 */
            seq: number;
            service?: string | null;
            trace_id?: string | null;
            ts: string;
        };
        /** @enum {string} */
        TrafficSource: "rollup" | "raw";
        TrafficSummary: {
            app?: string | null;
            app_org?: string | null;
            /** Format: int64 */
            duration_ms?: number | null;
            event: Record<string, never>;
            final_status?: string | null;
            gateway_name?: string | null;
            gateway_region?: string | null;
            operation?: string | null;
            path?: string | null;
            protocol?: string | null;
            service?: string | null;
            ts: string;
        };
        TrafficTotals: components["schemas"]["TrafficPercentiles"] & {
            /** Format: int64 */
            bytes_received: number;
            /** Format: int64 */
            bytes_sent: number;
            /** Format: int64 */
            errors: number;
            /** Format: int64 */
            requests: number;
        };
        TrafficTransaction: {
            circuit_path?: Record<string, never>[] | null;
            correlation_id: string;
            legs: components["schemas"]["TrafficLeg"][];
            summary?: components["schemas"]["TrafficSummary"] | null;
            trace_ids: string[];
        };
        Verdict: {
            allowed: boolean;
            destination: string;
            notes: string[];
            /** Format: int32 */
            port: number;
            protocol: string;
            sides: components["schemas"]["VerdictSide"][];
            source: string;
            text: string;
        };
        VerdictSide: {
            allowed: boolean;
            changes: string[];
            decision: string;
            side: string;
            steps: string[];
        };
    };
    responses: never;
    parameters: never;
    requestBodies: never;
    headers: never;
    pathItems: never;
}
