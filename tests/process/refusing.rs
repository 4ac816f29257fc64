//! What the program says when it cannot start: one line, with what to do.

use std::net::TcpListener;

use crate::binary::{Ended, Home};

/// One line beginning with `error:` that holds these words; no panic, no backtrace, no success.
#[track_caller]
fn assert_refused(ended: &Ended, words: &[&str]) {
    let Ended { status, out, err } = ended;
    assert!(!status.success() && status.code().is_some(), "{status}: {out}{err}");
    let lines: Vec<&str> = err.lines().collect();
    assert!(lines.len() == 1 && lines[0].starts_with("error: "), "{err}");
    for word in words {
        assert!(err.contains(word), "{word} is not in: {err}");
    }
    assert_eq!(out, "");
}

#[test]
fn an_unknown_setting_is_refused_with_the_nearest_name() {
    let home = Home::empty();
    std::fs::write(home.path("file.toml"), "[server]\nlisen = \"127.0.0.1:1\"\n").unwrap();
    let file = home.run(&["--config", "file.toml", "config", "check"]);
    assert_refused(&file, &["file.toml", "`server.lisen`", "did you mean `listen`?"]);
    let home = home.with("NABZ__MAIL__SMTP_ULR", "smtp://secret");
    for arguments in [&["config", "check"][..], &[]] {
        assert_refused(&home.run(arguments), &["NABZ__MAIL__SMTP_ULR", "did you mean `smtp_url`?"]);
    }
}

#[test]
fn a_value_that_the_service_could_not_use_is_refused_by_the_check_already() {
    for (name, value, words) in [
        ("NABZ__MAIL__FROM", "nobody", &["mail.from"][..]),
        ("NABZ__MAIL__REPLY_TO", "nobody", &["mail.reply_to"]),
        ("NABZ__MAIL__TRANSPORT", "smtp", &["mail.smtp_url"]),
        ("NABZ__MAIL__TRANSPORT", "pigeon", &["mail.transport", "folder"]),
        ("NABZ__LOG__FILTER", "nabz=loud", &["log.filter"]),
        ("NABZ__DATABASE__URL", "mysql://db/nabz", &["database.url", "sqlite: or postgres://"]),
        ("NABZ__DATABASE__URL", "postgres://nabz:planted@[", &["database.url"]),
        ("NABZ__AUTH__MASTER_SECRETS", "1 planted", &["auth.master_secrets", "64 hexadecimal digits"]),
        ("NABZ__AUTH__ROOT_KEY", "planted", &["auth.root_key", "at least 32 characters"]),
        ("NABZ__AUTH__ROOT_KEY_FILE", "/nowhere/key", &["NABZ__AUTH__ROOT_KEY_FILE", "/nowhere/key cannot be read"]),
        ("NABZ__SERVER__PUBLIC_URL", "ask.example", &["server.public_url", "https://"]),
        ("NABZ__SERVER__TRUSTED_PROXIES", "10.0.0.1", &["NABZ__SERVER__TRUSTED_PROXIES", "JSON array"]),
        ("NABZ__DATABASE__MAX_CONNECTIONS", "many", &["NABZ__DATABASE__MAX_CONNECTIONS", "whole number"]),
    ] {
        let home = Home::empty().with(name, value);
        for arguments in [&["config", "check"][..], &[]] {
            let ended = home.run(arguments);
            assert_refused(&ended, words);
            assert!(!ended.err.contains("planted"), "{}", ended.err);
        }
        assert!(!home.path("data").exists(), "{name} was refused, but left something behind");
    }
}

#[test]
#[cfg(not(feature = "dkim"))]
fn a_key_that_signs_mails_is_refused_by_a_program_that_cannot_sign() {
    let home = Home::empty().with("NABZ__MAIL__DKIM_SELECTOR", "s1").with("NABZ__MAIL__DKIM_KEY", include_str!("../vectors/dkim-rsa.pem"));
    assert_refused(&home.run(&["config", "check"]), &["mail.dkim_key", "--features dkim"]);
    let home = home.with("NABZ__MAIL__TRANSPORT", "smtp").with("NABZ__MAIL__SMTP_URL", "smtp://localhost");
    for arguments in [&["config", "check"][..], &[]] {
        let ended = home.run(arguments);
        assert_refused(&ended, &["mail.dkim_key", "--features dkim"]);
        assert!(!ended.err.contains("BEGIN"), "{}", ended.err);
    }
}

#[test]
fn a_settings_file_that_cannot_be_read_is_named() {
    let home = Home::empty();
    assert_refused(&home.run(&["--config", "none.toml"]), &["none.toml cannot be read"]);
    assert_refused(&home.run(&["--config", "."]), &[". cannot be read"]);
    std::fs::write(home.path("broken.toml"), "[auth]\nroot_key = \"planted\n").unwrap();
    let broken = home.run(&["--config", "broken.toml"]);
    assert_refused(&broken, &["broken.toml is not valid TOML at line 2"]);
    assert!(!broken.err.contains("planted"), "{}", broken.err);
    std::fs::write(home.path("latin.toml"), b"[mail]\nfrom = \"\xe9\"\n").unwrap();
    assert_refused(&home.run(&["--config", "latin.toml"]), &["latin.toml cannot be read"]);
}

#[test]
fn a_port_in_use_is_named_with_the_setting_that_chooses_another() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = Home::empty().with("NABZ__SERVER__LISTEN", &address);
    assert_refused(&home.run(&[]), &[&address, "server.listen"]);
}

#[test]
fn a_data_folder_that_cannot_be_made_is_named() {
    // Below a file nobody can make a folder, not even root.
    let home = Home::empty().with("NABZ__DATA_DIR", "file/data");
    std::fs::write(home.path("file"), "").unwrap();
    for arguments in [&[][..], &["migrate"], &["key", "list"], &["key", "rotate"]] {
        assert_refused(&home.run(arguments), &["file/data", "cannot be created", "data_dir"]);
    }
}

#[test]
fn a_database_file_that_is_none_is_named() {
    let home = Home::empty();
    std::fs::write(home.path("letter.txt"), "Dear reader, this is a letter. ".repeat(200)).unwrap();
    std::fs::create_dir(home.path("folder")).unwrap();
    let letter = home.with("NABZ__DATABASE__URL", "sqlite:letter.txt");
    assert_refused(&letter.run(&[]), &["letter.txt", "is no SQLite database", "database.url"]);
    let folder = letter.with("NABZ__DATABASE__URL", "sqlite:folder");
    assert_refused(&folder.run(&["migrate"]), &["folder", "cannot be opened for writing"]);
}

#[test]
fn a_postgresql_that_cannot_be_used_is_named_without_its_password() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let gone = Home::empty().with("NABZ__DATABASE__URL", &format!("postgres://nabz:planted@{free}/nabz"));
    let ended = gone.run(&[]);
    assert_refused(&ended, &[&free.to_string(), "cannot be reached", "database.url"]);
    assert!(!ended.err.contains("planted"), "{}", ended.err);

    let server = crate::durability::postgres_url();
    let (base, _) = server.rsplit_once('/').unwrap();
    let missing = Home::empty().with("NABZ__DATABASE__URL", &format!("{base}/no_such_database"));
    assert_refused(&missing.run(&[]), &["does not let us in", "no_such_database"]);

    let few = Home::empty().with("NABZ__DATABASE__URL", &server).with("NABZ__DATABASE__MAX_CONNECTIONS", "2");
    assert_refused(&few.run(&["config", "check"]), &["database.max_connections", "at least 3"]);
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    use sqlx::Connection as _;
    const NEWER: &str =
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time) VALUES (999, 'later', true, '', 1)";

    let home = Home::empty();
    assert!(home.run(&["migrate"]).status.success());
    let url = format!("sqlite:{}", home.path("data/nabz.db").display());
    let mut connection = sqlx::SqliteConnection::connect(&url).await.unwrap();
    sqlx::query(NEWER).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    for arguments in [&[][..], &["migrate"]] {
        assert_refused(&home.run(arguments), &["data/nabz.db", "newer version of this program"]);
    }

    let url = crate::durability::fresh_postgres().await;
    let home = Home::empty().with("NABZ__DATABASE__URL", &url);
    assert!(home.run(&["migrate"]).status.success());
    let mut connection = sqlx::PgConnection::connect(&url).await.unwrap();
    sqlx::query(NEWER).execute(&mut connection).await.unwrap();
    assert_refused(&home.run(&[]), &["PostgreSQL at", "newer version of this program"]);
}

#[test]
fn damaged_secrets_are_named_and_never_added_to() {
    let home = Home::empty();
    std::fs::create_dir(home.path("data")).unwrap();
    std::fs::write(home.path("data/secrets"), "planted nonsense").unwrap();
    for arguments in [&[][..], &["key", "rotate"]] {
        let ended = home.run(arguments);
        assert_refused(&ended, &["data/secrets", "line 1"]);
        assert!(!ended.err.contains("planted"), "{}", ended.err);
    }
    assert_eq!(std::fs::read_to_string(home.path("data/secrets")).unwrap(), "planted nonsense");
}
