//! Many at once, none of them honest.

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    time::timeout,
};

use testkit::TestApp;

use super::{HANG, LAST, Target, says};

const SLOW: usize = 500;

#[tokio::test]
async fn slow_connections_take_no_place_from_others_and_end() {
    let target = Target::patient(std::time::Duration::from_secs(2)).await;
    let mut slow = Vec::new();
    for index in 0..SLOW {
        let mut stream = TcpStream::connect(target.app.address).await.unwrap();
        let part = ["", "GET / HTT", "GET / HTTP/1.1\r\nHost: a\r\nX: y"][index % 3];
        stream.write_all(part.as_bytes()).await.unwrap();
        slow.push(stream);
    }
    assert_eq!(says(&target.talk(LAST.as_bytes()).await), ["200"]);
    let mut byte = [0];
    for stream in &mut slow {
        let read = timeout(HANG, stream.read(&mut byte))
            .await
            .expect("a slow connection ends");
        assert_eq!(read.unwrap_or_default(), 0);
    }
}

#[tokio::test]
async fn connections_cut_in_the_middle_leave_nothing_behind() {
    let target = Target::start().await;
    for _ in 0..200 {
        let mut stream = TcpStream::connect(target.app.address).await.unwrap();
        let request = target.post("Content-Length: 100\r\n", "{");
        stream.write_all(&request).await.unwrap();
        stream.set_zero_linger().unwrap();
    }
    assert_eq!(says(&target.talk(LAST.as_bytes()).await), ["200"]);
}

#[tokio::test]
async fn a_client_that_does_not_read_gives_its_place_back() {
    let app = TestApp::builder().config(|config| {
        config.write_timeout_ms = 300;
        config.connections_max = 1;
    });
    let app = app.start().await;
    let stream = TcpStream::connect(app.address).await.unwrap();
    let asked = "GET /docs/errors HTTP/1.1\r\nHost: a\r\n\r\n".repeat(20_000);
    let mut written = 0;
    let ended = async {
        loop {
            stream.writable().await.unwrap();
            match stream.try_write(&asked.as_bytes()[written % asked.len()..]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        }
    };
    timeout(HANG, ended).await.expect("the connection ends");
    let place = async {
        loop {
            let mut next = TcpStream::connect(app.address).await.unwrap();
            next.write_all(LAST.as_bytes()).await.unwrap();
            let mut answer = String::new();
            if next.read_to_string(&mut answer).await.is_ok() && answer.starts_with("HTTP/1.1 200") {
                return;
            }
        }
    };
    timeout(HANG, place).await.expect("its place is free again");
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_no_more_than_its_buffers() {
    let target = Target::patient(std::time::Duration::from_secs(8)).await;
    let stream = TcpStream::connect(target.app.address).await.unwrap();
    let asked = "GET /docs/errors HTTP/1.1\r\nHost: a\r\n\r\n".repeat(5_000);
    let mut written = 0;
    // The server stops reading once its answers are not taken, so this does not end by itself.
    while let Ok(Ok(())) = timeout(std::time::Duration::from_millis(500), stream.writable()).await {
        match stream.try_write(&asked.as_bytes()[written..]) {
            Ok(0) => break,
            Ok(more) => written += more,
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
        if written == asked.len() {
            break;
        }
    }
    assert_eq!(says(&target.talk(LAST.as_bytes()).await), ["200"]);
}
