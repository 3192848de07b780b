//! Configurations that follow their source while connections come and go.
//!
//! A new configuration is built whole, with sessions of its own, and takes the place of the old one only if it is good:
//! it parses, key and certificate fit, and it is valid now (or, when what is served isn't either, lasts longer). Whatever
//! is wrong with it, the last good one stays, the failure is counted with its reason, and the source is read again.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::watch;

use crate::source::{Material, Source};
use crate::{Metrics, PkiError, Validity};

/// The time, from wherever it is taken.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A certificate that begins a little later than now was made by somebody whose clock is a little ahead.
const AHEAD: SignedDuration = SignedDuration::from_secs(60);

/// Makes a configuration of what a source has.
pub trait Profile: Send + Sync + 'static {
    /// What it makes.
    type Tls: Send + Sync + 'static;

    /// Makes one, or says what is wrong.
    fn build(&self, material: &Material, generation: u64) -> Result<Built<Self::Tls>, PkiError>;
}

/// A configuration, and until when its own certificate holds, if it has one.
#[derive(Debug)]
pub struct Built<T> {
    /// The configuration.
    pub tls: T,
    /// When its own certificate holds.
    pub validity: Option<Validity>,
}

/// How to follow a source.
#[derive(Clone)]
pub struct Options {
    /// The source's label in metrics and logs; one of few.
    pub name: &'static str,
    /// The time.
    pub clock: Clock,
    /// How often to read when nothing changed: notifications get lost, and some systems have none.
    pub poll: Duration,
    /// How long to wait after a change, so that a writer can finish; and after a failure before the next look.
    pub settle: Duration,
    /// Where to count.
    pub metrics: Metrics,
}

impl Options {
    /// With the system's clock, a look each 30 seconds (half of what a kubelet takes to bring a change), and a second to
    /// settle.
    pub fn new(name: &'static str, metrics: Metrics) -> Self {
        Self {
            name,
            clock: Arc::new(Timestamp::now),
            poll: Duration::from_secs(30),
            settle: Duration::from_secs(1),
            metrics,
        }
    }
}

/// The configuration to use now. Clones follow the same source.
#[derive(Debug)]
pub struct Reloading<T> {
    current: watch::Receiver<Arc<T>>,
}

impl<T> Reloading<T> {
    /// The configuration of this moment: for one connection.
    pub fn current(&self) -> Arc<T> {
        self.current.borrow().clone()
    }

    /// Tells of each new one.
    pub fn subscribe(&self) -> watch::Receiver<Arc<T>> {
        self.current.clone()
    }
}

impl<T> Clone for Reloading<T> {
    fn clone(&self) -> Self {
        Self { current: self.current.clone() }
    }
}

/// Follows a source, as long as [`Reloader::run`] runs.
pub struct Reloader<S, P: Profile> {
    source: Arc<S>,
    profile: Arc<P>,
    options: Options,
    current: watch::Sender<Arc<P::Tls>>,
    served: Served,
    refused: Option<Material>,
}

/// The configuration of a source, and what keeps it fresh.
pub type Followed<S, P> = (Reloading<<P as Profile>::Tls>, Reloader<S, P>);

/// What a look at a source found.
enum Looked<T> {
    /// What is in use.
    Same,
    /// Something better.
    New(Material, Built<T>),
    /// Nothing usable; without material if it could not even be read.
    Refused(Option<Material>, PkiError),
}

/// What is in use.
#[derive(Clone)]
struct Served {
    material: Material,
    validity: Option<Validity>,
    generation: u64,
}

/// Reads the source for the first time. There is no last good one yet, so a source that is unusable is an error; a
/// certificate that is merely not valid now is not, because nothing better is at hand, but it is logged.
pub fn reloading<S: Source, P: Profile>(
    source: S,
    profile: P,
    options: Options,
) -> Result<Followed<S, P>, PkiError> {
    let (source, profile) = (Arc::new(source), Arc::new(profile));
    let material = source.read()?;
    let Built { tls, validity } = profile.build(&material, 1)?;
    if let Some(validity) = validity.filter(|validity| !is_valid(*validity, (options.clock)())) {
        let Validity { not_before, not_after } = validity;
        tracing::error!(source = options.name, %not_before, %not_after, "certificate is not valid now; clients will refuse it");
    }
    let (current, receiver) = watch::channel(Arc::new(tls));
    let served = Served { material, validity, generation: 1 };
    options.metrics.reloaded(options.name, validity);
    Ok((
        Reloading { current: receiver },
        Reloader { source, profile, options, current, served, refused: None },
    ))
}

impl<S: Source, P: Profile> Reloader<S, P> {
    /// Follows the source until `shutdown` resolves or nobody has the configuration any more.
    pub async fn run(mut self, shutdown: impl Future<Output = ()>) {
        let mut shutdown = std::pin::pin!(shutdown);
        let source = Arc::clone(&self.source);
        let mut pause = self.options.poll;
        loop {
            let changed = tokio::select! {
                () = shutdown.as_mut() => return,
                () = self.current.closed() => return,
                () = source.changed() => true,
                () = tokio::time::sleep(pause) => false,
            };
            if changed {
                tokio::select! {
                    () = shutdown.as_mut() => return,
                    () = tokio::time::sleep(self.options.settle) => {}
                }
            }
            pause = if self.look().await {
                self.options.poll
            } else {
                self.options.settle.min(self.options.poll)
            };
        }
    }

    /// Reads the source once, now; whether what it has is in use. [`Reloader::run`] does it at each change.
    pub async fn look(&mut self) -> bool {
        let (source, profile, served) =
            (Arc::clone(&self.source), Arc::clone(&self.profile), self.served.clone());
        let now = (self.options.clock)();
        // Files block, and an RSA key takes its time.
        let looked = tokio::task::spawn_blocking(move || match source.read() {
            Err(error) => Looked::Refused(None, error),
            Ok(material) if material == served.material => Looked::Same,
            Ok(material) => match replace(&*profile, &material, &served, now) {
                Ok(built) => Looked::New(material, built),
                Err(error) => Looked::Refused(Some(material), error),
            },
        });
        match looked.await {
            Ok(Looked::Same) => {
                self.refused = None;
                true
            }
            Ok(Looked::New(material, Built { tls, validity })) => {
                self.served = Served { material, validity, generation: self.served.generation + 1 };
                self.refused = None;
                self.current.send_replace(Arc::new(tls));
                self.options.metrics.reloaded(self.options.name, validity);
                let generation = self.served.generation;
                tracing::info!(source = self.options.name, generation, "certificates replaced");
                true
            }
            Ok(Looked::Refused(material, error)) => {
                self.options.metrics.refused(self.options.name, error.reason());
                // The same bytes are wrong in the same way each time.
                if material.is_none() || material != self.refused {
                    tracing::error!(
                        source = self.options.name, error = %error.with_causes(),
                        "new certificates are unusable; the last good ones stay in use"
                    );
                }
                self.refused = material;
                false
            }
            Err(error) => {
                tracing::error!(source = self.options.name, %error, "reading certificates failed");
                false
            }
        }
    }
}

fn replace<P: Profile>(
    profile: &P,
    material: &Material,
    served: &Served,
    now: Timestamp,
) -> Result<Built<P::Tls>, PkiError> {
    let built = profile.build(material, served.generation + 1)?;
    let Some(validity) = built.validity else { return Ok(built) };
    let better = match served.validity {
        // Neither is valid: a clock is wrong, or nobody renewed in time. The one that lasts longer is the newer one.
        Some(old) if !is_valid(old, now) => validity.not_after > old.not_after,
        _ => false,
    };
    if is_valid(validity, now) || better {
        Ok(built)
    } else {
        let Validity { not_before, not_after } = validity;
        Err(PkiError::NotValidNow { not_before, not_after, now })
    }
}

fn is_valid(validity: Validity, now: Timestamp) -> bool {
    validity.not_before <= now + AHEAD && now <= validity.not_after
}
