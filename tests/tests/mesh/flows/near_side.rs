//! Flows as the agent holds them: each kind carries something on request, and tells how it ended.

use std::convert::Infallible;
use std::net::SocketAddr;

use bellgate_tests::{Client, ReqBody, get, within};
use bytes::Bytes;
use futures::{SinkExt as _, StreamExt as _};
use http::{Method, Request};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::far_side::{End, FarSide};

/// A body without a stated length, chunk by chunk as the sender gives them.
pub(crate) fn streamed() -> (mpsc::UnboundedSender<Bytes>, ReqBody) {
    let (sender, receiver) = mpsc::unbounded_channel::<Bytes>();
    let frames = futures::stream::unfold(receiver, |mut receiver| async {
        let chunk = receiver.recv().await?;
        Some((Ok::<_, Infallible>(Frame::data(chunk)), receiver))
    });
    (sender, http_body_util::BodyExt::boxed(StreamBody::new(Box::pin(frames))))
}

/// What is done on a flow.
pub(crate) enum Kind {
    Socket(Box<WebSocketStream<TcpStream>>),
    /// Both ways; its answer has begun.
    Chat(mpsc::UnboundedSender<Bytes>, Incoming),
    /// Up alone; its answer comes when it is whole.
    Upload(mpsc::UnboundedSender<Bytes>, JoinHandle<Option<u16>>),
    /// Down alone.
    Down(Incoming),
}

/// One open flow.
pub(crate) struct Open {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    /// Its connection, where it has one of its own.
    _client: Option<Client>,
}

async fn client(egress: SocketAddr, h2: bool) -> Client {
    if h2 { Client::h2c(egress).await } else { Client::h1(egress).await }
}

/// `GET`, answered by a body that the far side sends on.
pub(crate) async fn down(client: &mut Client, host: &str, kind: &str, name: &str) -> Incoming {
    let answer = client.send(get(host, &format!("/{kind}/{name}"))).await.unwrap();
    assert_eq!(answer.status(), 200, "{name}");
    answer.into_body()
}

impl Open {
    pub(crate) async fn socket(egress: SocketAddr, host: &str, name: &str) -> Self {
        let tcp = TcpStream::connect(egress).await.unwrap();
        let url = format!("ws://{host}/socket/{name}");
        let (socket, _) = within("an upgrade", tokio_tungstenite::client_async(url, tcp)).await.unwrap();
        Self { name: name.to_owned(), kind: Kind::Socket(Box::new(socket)), _client: None }
    }

    /// A gRPC call, a stream of its own on a connection that others may share.
    pub(crate) async fn chat(client: &mut Client, host: &str, name: &str) -> Self {
        let (sender, body) = streamed();
        let request = Request::post(format!("http://{host}/chat/{name}")).header("content-type", "application/grpc");
        let answer = client.send(request.body(body).unwrap()).await.unwrap();
        assert_eq!(answer.status(), 200, "{name}");
        Self { name: name.to_owned(), kind: Kind::Chat(sender, answer.into_body()), _client: None }
    }

    pub(crate) async fn upload(egress: SocketAddr, h2: bool, host: &str, name: &str) -> Self {
        let (sender, body) = streamed();
        let request = Request::builder().method(Method::POST).uri(format!("/sink/{name}")).header("host", host);
        let (request, mut client) = (request.body(body).unwrap(), client(egress, h2).await);
        let answer = tokio::spawn(async move { client.open(request).await.ok().map(|head| head.status().as_u16()) });
        sender.send("begun".into()).unwrap();
        Self { name: name.to_owned(), kind: Kind::Upload(sender, answer), _client: None }
    }

    pub(crate) async fn events(egress: SocketAddr, h2: bool, host: &str, name: &str) -> Self {
        let mut client = client(egress, h2).await;
        let kind = Kind::Down(down(&mut client, host, "events", name).await);
        Self { name: name.to_owned(), kind, _client: Some(client) }
    }

    /// Sends something through it and sees it arrive.
    pub(crate) async fn carries(&mut self, far: &FarSide, text: &str) {
        let what = format!("`{text}` on {}", self.name);
        match &mut self.kind {
            Kind::Socket(socket) => {
                socket.send(text.into()).await.unwrap();
                let back = within(&what, socket.next()).await.unwrap().unwrap();
                assert_eq!(back.to_text().unwrap(), text, "{}", self.name);
            }
            Kind::Chat(sender, incoming) => {
                sender.send(Bytes::copy_from_slice(text.as_bytes())).unwrap();
                let frame = within(&what, incoming.frame()).await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), text, "{}", self.name);
            }
            Kind::Upload(sender, _) => {
                sender.send(Bytes::copy_from_slice(text.as_bytes())).unwrap();
                far.has(&self.name, text).await;
            }
            Kind::Down(incoming) => {
                far.opened(&self.name).await;
                far.send(&self.name, text);
                let frame = within(&what, incoming.frame()).await.unwrap().unwrap();
                assert_eq!(frame.into_data().unwrap(), text, "{}", self.name);
            }
        }
    }

    /// How it ended, as the agent saw it; nothing but the end may come before it.
    pub(crate) async fn ended(&mut self) -> End {
        let what = format!("the end of {}", self.name);
        match &mut self.kind {
            Kind::Socket(socket) => match within(&what, socket.next()).await {
                Some(Ok(Message::Close(Some(frame)))) => End::Closed(frame.code.into()),
                Some(Ok(message)) => unreachable!("{}: {message:?}", self.name),
                Some(Err(_)) | None => End::Broken,
            },
            Kind::Chat(_, incoming) | Kind::Down(incoming) => match within(&what, incoming.frame()).await {
                None => End::Whole,
                Some(Err(_)) => End::Broken,
                Some(Ok(frame)) => unreachable!("{}: {:?}", self.name, frame.into_data()),
            },
            // A refusal is no answer of the far side.
            Kind::Upload(_, answer) => match within(&what, answer).await.unwrap() {
                None | Some(403) => End::Broken,
                Some(_) => End::Whole,
            },
        }
    }
}
