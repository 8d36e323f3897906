//! Addresses against their parts. Real servers: `tests/real.rs`.

use super::*;

#[test]
fn addresses() {
    for (text, shown) in [
        ("postgres://me:hunter2@db:6543/app?sslmode=verify-full", "postgres://db:6543/app"),
        ("postgresql://me@db", "postgres://db:5432/me"),
        (
            "host=/run/postgresql user=me password=hunter2 dbname=app",
            "postgres:///run/postgresql/.s.PGSQL.5432/app",
        ),
        ("db:5433", "postgres://db:5433/postgres"),
        ("[::1]", "postgres://[::1]:5432/postgres"),
    ] {
        assert_eq!(format!("{:?}", Dsn::parse(text).unwrap()), shown, "{text}");
    }
    let verify = |text| Dsn::parse(text).unwrap().tls.options().verify;
    assert_eq!(verify("postgres://h/?sslmode=require"), tls::Verify::None);
    assert_eq!(verify("postgres://h/?sslmode=verify-ca"), tls::Verify::Full);
    for bad in
        ["postgres://u:hunter2@h:x/", "host=h port=x password=hunter2", "user=me password=hunter2", "a b"]
    {
        let error = Dsn::parse(bad).unwrap_err().to_string();
        assert!(!error.contains("hunter2"), "{error}");
    }
}
