//! Connections to a PostgreSQL server, and starting over when it falls silent.

use std::{
    future::Future,
    io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use domain::{error::BoxError, ports::StoreError};
use sqlx::{
    Connection, Executor, PgConnection, PgPool,
    postgres::{PgConnectOptions, PgPoolOptions},
};

use tokio::{
    net::{TcpStream, UnixStream},
    sync::Mutex as AsyncMutex,
};

use super::{Outcome, failed};

/// Connections. Tests share a server with room for a hundred, and one of them may have dozens of stores.
const CONNECTIONS: u32 = if cfg!(feature = "testing") { 5 } else { 16 };
/// A connection that nobody asked for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(if cfg!(feature = "testing") { 1 } else { 600 });
/// A node that went away in a transaction holds its locks no longer.
const IDLE_IN_TRANSACTION: &str = "60s";

/// A connection that lay idle for longer is asked whether it lives before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);
/// An answer to that takes no longer.
const LIVES_WITHIN: Duration = Duration::from_secs(1);
/// Who waits for a connection for so long looks whether anyone listens at all.
const REFUSAL_LOOKED_FOR_AFTER: Duration = Duration::from_millis(100);
/// All who wait share one look for so long.
const REFUSAL_KNOWN_FOR: Duration = Duration::from_secs(1);

/// A server that may be replaced under us.
pub(crate) struct Server {
    options: PgConnectOptions,
    patience: Duration,
    pool: Mutex<Generation>,
    looked: AsyncMutex<Option<(Instant, Option<io::ErrorKind>)>>,
}

/// Connections, and how often they were replaced.
#[derive(Clone)]
pub(super) struct Generation {
    pub(super) pool: PgPool,
    number: u64,
    doubt: Doubt,
}

/// When a connection was last found broken. All that were made before are broken in the same way, or will be noticed
/// one by one, a request for each.
#[derive(Clone, Default)]
struct Doubt(Arc<Mutex<Option<Instant>>>);

impl Doubt {
    fn raise(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn is_about(&self, age: Duration) -> bool {
        let since = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let made = Instant::now().checked_sub(age);
        since.is_some_and(|since| made.is_none_or(|made| made <= since))
    }

    /// Whether an idle connection can be used.
    async fn lives(self, connection: &mut PgConnection, age: Duration, idle_for: Duration) -> bool {
        if self.is_about(age) {
            return false;
        }
        if idle_for < TRUSTED_FOR {
            return true;
        }
        let lives = matches!(tokio::time::timeout(LIVES_WITHIN, connection.ping()).await, Ok(Ok(())));
        if !lives {
            self.raise();
        }
        lives
    }
}

impl Server {
    pub(super) async fn connect(options: &PgConnectOptions, patience: Duration) -> Result<Self, StoreError> {
        let options = options.clone().application_name("callwright");
        let doubt = Doubt::default();
        let pool = pool_options(patience, doubt.clone()).connect_lazy_with(options.clone());
        let server = Self {
            options,
            patience,
            pool: Mutex::new(Generation {
                pool: pool.clone(),
                number: 0,
                doubt,
            }),
            looked: AsyncMutex::default(),
        };
        // A wrong address is told at once. A server that recovers listens already and is waited for; one that is not
        // running yet is for those to wait for who started us.
        let why = tokio::select! {
            biased;
            connected = pool.acquire() => match connected {
                Ok(_) => return Ok(server),
                Err(error) => server.unreached(error).await,
            },
            refused = server.refusal() => {
                let place = server.place();
                format!("nobody listens at {place}: {refused}; start PostgreSQL there, or give the address where it runs").into()
            }
        };
        Err(failed::<BoxError>("connect to the database")(why))
    }

    /// Where the server should be.
    fn place(&self) -> String {
        let (host, port) = (self.options.get_host(), self.options.get_port());
        match self.folder() {
            Some(folder) => self.socket_in(folder).display().to_string(),
            None if host.contains(':') => format!("[{host}]:{port}"),
            None => format!("{host}:{port}"),
        }
    }

    /// Why no connection came, and where from. The pool tries for as long as it may, and then knows only that its time
    /// was over.
    async fn unreached(&self, error: sqlx::Error) -> BoxError {
        let place = self.place();
        match error {
            sqlx::Error::PoolTimedOut => self.complaint(&place).await,
            sqlx::Error::Io(error) => format!("{place} can't be reached: {error}").into(),
            // Its whole form ends with a line of the server's own source.
            sqlx::Error::Database(error) => format!("{place} says: {}", error.message()).into(),
            other => other.into(),
        }
    }

    /// What a server says that listens and still gives no connection: it has no room, or is about to start. The pool
    /// asks such a one again and again and keeps what it said to itself.
    async fn complaint(&self, place: &str) -> BoxError {
        let attempt = tokio::time::timeout(LIVES_WITHIN, PgConnection::connect_with(&self.options));
        match attempt.await {
            Ok(Err(sqlx::Error::Database(error))) => format!("{place} says: {}", error.message()).into(),
            Ok(Err(error)) => format!("{place} gives no connection: {error}").into(),
            Ok(Ok(_)) => format!("{place} gave no connection within {:?}", self.patience).into(),
            Err(_) => format!("no answer from {place} within {:?}", self.patience).into(),
        }
    }

    /// The connections of now.
    pub(super) fn generation(&self) -> Generation {
        self.pool.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// To connect in another way than requests do.
    pub(crate) fn options(&self) -> PgConnectOptions {
        self.options.clone()
    }

    /// What comes of waiting for a connection, as [`Self::answer`]. sqlx tries again and again where nobody listens; we
    /// say so at once.
    pub(super) async fn connected<T>(
        &self,
        now: &Generation,
        within: Duration,
        wait: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Outcome<T> {
        tokio::select! {
            biased;
            connected = self.answer(now, within, wait) => connected,
            refused = self.refusal() => Err(format!("nobody listens at the database's address: {refused}").into()),
        }
    }

    /// What the server answers within a time. A connection that breaks tells of others; one that stays silent, of all.
    pub(super) async fn answer<T>(
        &self,
        now: &Generation,
        within: Duration,
        work: impl Future<Output = Result<T, sqlx::Error>> + Send,
    ) -> Outcome<T> {
        match tokio::time::timeout(within, work).await {
            Ok(Err(error)) if is_broken(&error) => {
                now.doubt.raise();
                Err(error.into())
            }
            Ok(done) => Ok(done?),
            Err(_) => {
                self.replace(now);
                Err(format!("the database did not answer within {within:?}").into())
            }
        }
    }

    /// Ends when nobody listens where the server should be.
    async fn refusal(&self) -> io::ErrorKind {
        loop {
            tokio::time::sleep(REFUSAL_LOOKED_FOR_AFTER).await;
            let mut looked = self.looked.lock().await;
            let known = looked.filter(|(at, _)| at.elapsed() < REFUSAL_KNOWN_FOR);
            let refused = match known {
                Some((_, refused)) => refused,
                None => Box::pin(self.look()).await,
            };
            if known.is_none() {
                *looked = Some((Instant::now(), refused));
            }
            if let Some(refused) = refused {
                return refused;
            }
        }
    }

    async fn look(&self) -> Option<io::ErrorKind> {
        let connect = async {
            if let Some(folder) = self.folder() {
                return UnixStream::connect(self.socket_in(folder)).await.map(drop);
            }
            let address = (self.options.get_host(), self.options.get_port());
            TcpStream::connect(address).await.map(drop)
        };
        // Silence is no refusal.
        let connected = tokio::time::timeout(self.patience.min(LIVES_WITHIN), connect)
            .await
            .ok()?;
        let kind = connected.err()?.kind();
        matches!(kind, io::ErrorKind::ConnectionRefused | io::ErrorKind::NotFound).then_some(kind)
    }

    /// The folder of the server's socket, where it is not reached over a network.
    fn folder(&self) -> Option<&Path> {
        let (socket, host) = (self.options.get_socket(), self.options.get_host());
        let named = || host.starts_with('/').then(|| Path::new(host));
        socket.map(PathBuf::as_path).or_else(named)
    }

    fn socket_in(&self, folder: &Path) -> PathBuf {
        folder.join(format!(".s.PGSQL.{}", self.options.get_port()))
    }

    /// Gives up connections that don't answer. A connection whose packets vanish is not closed by anyone for a
    /// quarter of an hour, and the pool would wait for it.
    fn replace(&self, silent: &Generation) {
        let mut present = self.pool.lock().unwrap_or_else(PoisonError::into_inner);
        if present.number == silent.number {
            tracing::warn!("the database does not answer; its connections are given up for new ones");
            let doubt = Doubt::default();
            *present = Generation {
                pool: pool_options(self.patience, doubt.clone()).connect_lazy_with(self.options.clone()),
                number: present.number + 1,
                doubt,
            };
        }
    }
}

/// Whether it was the connection that failed, and not the statement.
fn is_broken(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Tls(_) | sqlx::Error::Protocol(_) => true,
        // An operator or the server's own end took the connection away.
        sqlx::Error::Database(error) => error.code().is_some_and(|code| code.starts_with("57P")),
        _ => false,
    }
}

fn pool_options(patience: Duration, doubt: Doubt) -> PgPoolOptions {
    // A statement ends on the server before this side gives it up, so that its connection stays in order.
    let (lock, statement) = (patience.as_millis(), patience.as_millis() * 3 / 2);
    let limits = format!(
        "SET lock_timeout = {lock}; SET statement_timeout = {statement};
         SET idle_in_transaction_session_timeout = '{IDLE_IN_TRANSACTION}'"
    );
    PgPoolOptions::new()
        .max_connections(CONNECTIONS)
        .idle_timeout(IDLE_MAX)
        .acquire_timeout(patience)
        // What sqlx asks before each use is a round trip for each, and waits for a silent server without an end.
        .test_before_acquire(false)
        .before_acquire(move |connection, known| {
            let lives = doubt.clone().lives(connection, known.age, known.idle_for);
            Box::pin(async move { Ok(lives.await) })
        })
        .after_connect(move |connection, _| {
            let limits = sqlx::AssertSqlSafe(limits.clone());
            Box::pin(async move { connection.execute(limits).await.map(drop) })
        })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
    };

    use super::*;

    const PATIENCE: Duration = Duration::from_millis(300);

    async fn refusal(options: &PgConnectOptions) -> String {
        refusal_within(PATIENCE, options).await
    }

    async fn refusal_within(patience: Duration, options: &PgConnectOptions) -> String {
        let error = Server::connect(options, patience).await.err().unwrap();
        domain::error::chain(&error)
    }

    #[tokio::test]
    async fn who_can_not_be_reached_is_named_with_what_went_wrong() {
        let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = silent.local_addr().unwrap().port();
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port);
        let said = refusal(&options).await;
        assert_eq!(
            said,
            format!("store: connect to the database: no answer from 127.0.0.1:{port} within 300ms")
        );
        drop(silent);
        // Who is refused at once is not tried for as long as one may wait.
        let refused = refusal_within(Duration::from_mins(1), &options);
        let said = tokio::time::timeout(Duration::from_secs(10), refused).await.unwrap();
        assert_eq!(
            said,
            format!(
                "store: connect to the database: nobody listens at 127.0.0.1:{port}: connection refused; start \
                 PostgreSQL there, or give the address where it runs"
            )
        );
        let said = refusal(&options.host("no-such-host.invalid")).await;
        // Or "no answer", where whoever knows names does not answer either.
        assert!(said.contains(&format!("no-such-host.invalid:{port}")), "{said}");
    }

    #[tokio::test]
    async fn what_a_server_without_room_says_is_passed_on() {
        let full = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = full.local_addr().unwrap().port();
        tokio::spawn(async move {
            loop {
                let (mut client, _) = full.accept().await.unwrap();
                let mut startup = [0; 512];
                let _ = client.read(&mut startup).await;
                let fields = b"SFATAL\0VFATAL\0C53300\0Msorry, too many clients already\0\0";
                let length = u32::try_from(fields.len() + 4).unwrap().to_be_bytes();
                let _ = client.write_all(&[b"E", &length[..], fields].concat()).await;
            }
        });
        let options = PgConnectOptions::new_without_pgpass().host("127.0.0.1").port(port);
        let said = refusal(&options.ssl_mode(sqlx::postgres::PgSslMode::Disable)).await;
        assert!(said.contains("sorry, too many clients already"), "{said}");
    }
}
