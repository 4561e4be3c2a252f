//! Who may connect, and what may lie where the socket goes.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixListener;

use crate::support::Gateway;
use crate::support::checks::{Ask, ask};
use bellgate_envoy::ServeError;
use tokio::io::AsyncReadExt as _;

const NOBODY: u32 = 65_534;

#[tokio::test]
async fn the_mode_is_0600_and_the_socket_goes_with_its_server() {
    let gateway = Gateway::beside("planner");
    let serving = gateway.serve(gateway.context());
    serving.client().await;
    let mode = std::fs::metadata(gateway.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    serving.stop().await.unwrap();
    assert!(!gateway.socket().exists());
}

#[tokio::test]
async fn a_group_is_let_in_only_where_another_uid_may_connect() {
    let gateway = Gateway::beside("planner");
    let own = rustix::process::geteuid().as_raw();
    let serving = gateway.serve_for(gateway.context(), &[own, NOBODY]);
    serving.client().await;
    let mode = std::fs::metadata(gateway.socket()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn another_uid_is_closed_out_unread() {
    let gateway = Gateway::beside("planner");
    let serving = gateway.serve_for(gateway.context(), &[NOBODY]);
    let mut stream = loop {
        match tokio::net::UnixStream::connect(gateway.socket()).await {
            Ok(stream) => break stream,
            Err(_) => tokio::task::yield_now().await,
        }
    };
    let mut bytes = Vec::new();
    // Not even HTTP/2 settings come back.
    assert_eq!(stream.read_to_end(&mut bytes).await.unwrap_or(0), 0);
    assert!(bytes.is_empty());
    assert!(gateway.seen.lock().unwrap().is_empty());
    serving.stop().await.unwrap();
}

#[tokio::test]
async fn nobody_at_all_is_a_mistake() {
    let gateway = Gateway::beside("planner");
    assert!(matches!(gateway.serve_for(gateway.context(), &[]).ended().await, Err(ServeError::NoUids)));
}

#[tokio::test]
async fn a_dead_socket_is_replaced_and_everything_else_is_not() {
    let gateway = Gateway::beside("planner");
    drop(UnixListener::bind(gateway.socket()).unwrap());
    assert!(gateway.socket().exists());
    let serving = gateway.serve(gateway.context());
    let mut client = serving.client().await;
    assert_eq!(ask(&mut client, Ask::of("planner", "GET", "search/x")).await.code(), "ok");

    assert!(matches!(gateway.serve(gateway.context()).ended().await, Err(ServeError::InUse(_))));
    assert_eq!(
        ask(&mut client, Ask::of("planner", "GET", "search/x")).await.code(),
        "ok",
        "the first one still serves"
    );
    serving.stop().await.unwrap();

    std::fs::write(gateway.socket(), "not a socket").unwrap();
    assert!(matches!(gateway.serve(gateway.context()).ended().await, Err(ServeError::NotASocket(_))));
    assert_eq!(std::fs::read_to_string(gateway.socket()).unwrap(), "not a socket");
}

#[tokio::test]
async fn a_folder_that_is_not_there_is_told() {
    let gateway = Gateway::beside("planner");
    let gone = gateway.folder.path().with_extension("gone");
    std::fs::rename(gateway.folder.path(), &gone).unwrap();
    let ended = gateway.serve(gateway.context()).ended().await;
    std::fs::rename(&gone, gateway.folder.path()).unwrap();
    assert!(matches!(ended, Err(ServeError::Bind { .. })));
}
