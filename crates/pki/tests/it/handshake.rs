//! Real handshakes over the loopback.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use parapet_fs::sim::SimFs;
use parapet_pki::{Authority, Event, Folder, FolderOptions, IssueReason, Names, Reports, client_config};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};

/// What a client saw: the server's certificate and the application protocol.
type Seen = (CertificateDer<'static>, Option<Vec<u8>>);

fn connect(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> std::io::Result<Seen> {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = Arc::clone(server);
    let serving = std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        let mut stream = StreamOwned::new(ServerConnection::new(server).unwrap(), socket);
        let mut byte = [0];
        // A client that refuses the certificate goes away here.
        if stream.read_exact(&mut byte).is_ok() {
            stream.write_all(&byte).unwrap();
            stream.conn.send_close_notify();
            stream.flush().unwrap();
        }
    });
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let connection = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut stream = StreamOwned::new(connection, TcpStream::connect(address).unwrap());
    let mut byte = [0];
    let exchanged = stream.write_all(b"?").and_then(|()| stream.read_exact(&mut byte));
    let seen = exchanged.map(|()| {
        let certificate = stream.conn.peer_certificates().unwrap()[0].clone().into_owned();
        (certificate, stream.conn.alpn_protocol().map(<[u8]>::to_vec))
    });
    drop(stream);
    serving.join().unwrap();
    seen
}

fn folder(now: Timestamp) -> Folder {
    let options = FolderOptions::new(Names::new(["parapet.example"]).unwrap());
    Folder::open(Arc::new(SimFs::new(1)), Path::new("pki"), options, now).unwrap()
}

#[test]
fn clients_that_trust_the_authority_connect_and_others_do_not() {
    let folder = folder(Timestamp::now());
    let server = folder.identity().server_config(&[b"h2", b"http/1.1"]).unwrap();
    let client = client_config(folder.authority().certificate_pem()).unwrap();
    for name in ["localhost", "127.0.0.1", "::1", "parapet.example"] {
        let (certificate, alpn) = connect(&server, &client, name).unwrap();
        assert_eq!(&certificate, folder.identity().leaf().certificate());
        assert_eq!(alpn, None);
    }
    assert!(connect(&server, &client, "other.example").is_err());

    let mut http1 = (*client).clone();
    http1.alpn_protocols = vec![b"http/1.1".to_vec()];
    assert_eq!(connect(&server, &Arc::new(http1), "localhost").unwrap().1, Some(b"http/1.1".to_vec()));

    let stranger = Authority::generate(Timestamp::now()).unwrap();
    let distrusting = client_config(stranger.certificate_pem()).unwrap();
    assert!(connect(&server, &distrusting, "localhost").is_err());
    assert!(client_config("").is_err());
    assert!(client_config("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").is_err());
}

#[test]
fn a_renewed_leaf_is_shown_from_the_next_handshake_on() {
    let now = Timestamp::now();
    let folder = folder(now - SignedDuration::from_hours(24 * 80));
    let server = folder.identity().server_config(&[]).unwrap();
    let client = || client_config(folder.authority().certificate_pem()).unwrap();
    let before = connect(&server, &client(), "localhost").unwrap().0;
    assert_eq!(folder.tick(now, &Reports::default()).unwrap(), vec![Event::Issued(IssueReason::Due)]);
    let after = connect(&server, &client(), "localhost").unwrap().0;
    assert_ne!(before, after);
    assert_eq!(&after, folder.identity().leaf().certificate());
}
