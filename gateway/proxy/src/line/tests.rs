use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use super::*;
use crate::socket::Socket;
use crate::switch::Hold;

/// A line in use, and the other end of its socket.
fn line(body_follows: bool) -> (Line, Hold, UnixStream) {
    let (ours, theirs) = UnixStream::pair().unwrap();
    let line = Line::new(Transport::Plain(Socket::Unix(ours))).unwrap();
    let hold = line.switch.take(body_follows);
    (line, hold, theirs)
}

/// What has arrived, without waiting.
fn arrived(socket: &UnixStream) -> Vec<u8> {
    let mut bytes = vec![0; 256 * 1024];
    let mut length = 0;
    while let Ok(count @ 1..) = socket.try_read(&mut bytes[length..]) {
        length += count;
    }
    bytes.truncate(length);
    bytes
}

async fn send(line: &mut Line, bytes: &[u8]) -> io::Result<()> {
    line.write_all(bytes).await?;
    line.flush().await
}

#[tokio::test]
async fn a_head_waits_for_its_whole_body_and_for_nothing_else() {
    let (mut line, _hold, theirs) = line(true);
    send(&mut line, b"head").await.unwrap();
    assert_eq!(arrived(&theirs), b"");
    send(&mut line, b"body").await.unwrap();
    assert_eq!(arrived(&theirs), b"headbody");
    send(&mut line, b"late").await.unwrap();
    assert_eq!(arrived(&theirs), b"late");
    drop(line.switch.take(false));
    send(&mut line, b"head").await.unwrap();
    assert_eq!(arrived(&theirs), b"head");
    // Pingora flushes a body of a stated length only at its end.
    line.write_all(b"chunk").await.unwrap();
    assert_eq!(arrived(&theirs), b"chunk");
}

#[tokio::test]
async fn bodies_around_the_bound_arrive_whole_and_in_order() {
    for length in [0, 1, HELD - 5, HELD - 4, HELD - 3, HELD, HELD + 1, 3 * HELD] {
        let (mut line, _hold, mut theirs) = line(true);
        let body: Vec<u8> = (0..length).map(|place| place.to_le_bytes()[0]).collect();
        let reader = tokio::spawn(async move {
            let mut all = Vec::new();
            theirs.read_to_end(&mut all).await.unwrap();
            all
        });
        send(&mut line, b"head").await.unwrap();
        send(&mut line, &body).await.unwrap();
        assert!(line.held.is_empty() && line.held.capacity() <= KEPT, "{length}");
        AsyncWriteExt::shutdown(&mut line).await.unwrap();
        assert_eq!(reader.await.unwrap(), [b"head", &body[..]].concat(), "{length}");
    }
}

#[tokio::test]
async fn nothing_is_written_after_the_end_not_even_what_was_held() {
    let (mut line, hold, theirs) = line(true);
    send(&mut line, b"head").await.unwrap();
    hold.end();
    assert!(line.write_all(b"body").await.is_err());
    assert!(line.flush().await.is_err());
    drop(AsyncWriteExt::shutdown(&mut line).await);
    assert_eq!(arrived(&theirs), b"");
}

#[tokio::test]
async fn who_waits_is_woken() {
    let (mut first, hold, theirs) = line(false);
    let reader = tokio::spawn(async move { first.read_u8().await.map_err(|error| error.kind()) });
    tokio::task::yield_now().await;
    hold.end();
    assert_eq!(reader.await.unwrap(), Err(io::ErrorKind::ConnectionAborted));
    drop(theirs);
    let (mut second, hold, theirs) = line(false);
    let writer = tokio::spawn(async move {
        let full = vec![0; 8 * 1024 * 1024];
        second.write_all(&full).await.map_err(|error| error.kind())
    });
    tokio::task::yield_now().await;
    hold.end();
    assert_eq!(writer.await.unwrap(), Err(io::ErrorKind::ConnectionAborted));
    drop(theirs);
}

#[tokio::test]
async fn a_websocket_says_goodbye_at_a_boundary_alone() {
    let text = [0x81, 0x82, 0, 0, 0, 0, b'h', b'i'];
    for cut in 0..=text.len() {
        let (mut line, hold, mut theirs) = line(false);
        send(&mut line, b"GET / HTTP/1.1\r\n\r\n").await.unwrap();
        hold.becomes_websocket();
        send(&mut line, &text[..cut]).await.unwrap();
        arrived(&theirs);
        hold.end();
        assert_eq!(line.read_u8().await.unwrap(), GOODBYE);
        assert!(line.read_u8().await.is_err(), "and then it is over");
        let mut told = Vec::new();
        if cut == 0 || cut == text.len() {
            theirs.read_to_end(&mut told).await.unwrap();
            assert_eq!((told[0], told.len()), (0x88, close_for_server().len()), "{cut}");
        } else {
            drop(line);
            theirs.read_to_end(&mut told).await.unwrap();
            assert_eq!(told, b"", "inside of a frame a close frame would be its payload, {cut}");
        }
    }
}
