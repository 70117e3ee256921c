//! Prometheus metrics, which only the admin listener serves.

use serde_json::json;

use crate::harness::{Process, http, raw};

#[tokio::test]
async fn metrics_are_served_on_the_admin_listener_only() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = Process::start(folder.path(), &["--argon2-memory-kib=128", "--admin-port", "0"]);
    let login = json!({"email": "john.doe@example.com", "password": "Password@123"});
    for _ in 0..3 {
        assert_eq!(
            raw(http().post(format!("{}/auth/login", gateway.url)).json(&login))
                .await
                .0,
            401
        );
    }
    let query = json!({"query": "mutation { logout }"});
    assert_eq!(
        raw(http().post(format!("{}/graphql", gateway.url)).json(&query))
            .await
            .0,
        200
    );
    let text = http()
        .get(&gateway.metrics_url)
        .send()
        .await
        .unwrap()
        .text()
        .await
        .unwrap();
    for line in [
        r#"auth_gateway_operations_total{operation="login",outcome="invalid_credentials"} 3"#,
        r#"auth_gateway_operations_total{operation="logout",outcome="unauthenticated"} 1"#,
        r#"auth_gateway_operation_duration_seconds_count{operation="login"} 3"#,
        r#"auth_gateway_http_requests_total{method="POST",status="401"} 3"#,
        "auth_gateway_password_queue 0",
        "auth_gateway_audit_dropped_total 0",
    ] {
        assert!(text.lines().any(|found| found == line), "{line} is not in:\n{text}");
    }
    assert!(!text.contains("john"), "personal data in the metrics:\n{text}");
    assert_eq!(raw(http().get(format!("{}/metrics", gateway.url))).await.0, 404);
    let other = gateway.metrics_url.replace("/metrics", "/auth/me");
    assert_eq!(raw(http().get(other)).await.0, 404);
}
