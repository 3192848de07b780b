//! The admin's password where somebody else keeps it: taken by reference, and for a while after each change two of them open.

use std::sync::Arc;

use anyhow::Context as _;
use parapet_access::{Accounts, MAX_PASSWORD_BYTES};
use parapet_secrets::{
    Need, Refused, Scope, SecretBytes, SecretKey, Slot, Snapshot, Store, Subscription, TwoSlot,
};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::turned;
use crate::config::AdminPassword;
use crate::exit::{Failure, OrExit as _, Reason};

/// The password in use, and how its changes are heard of.
pub(crate) struct KeptPassword {
    key: SecretKey,
    slots: Arc<TwoSlot>,
    subscription: Subscription,
}

impl KeptPassword {
    /// Waits for the secret; from then on it alone opens for `user`.
    pub(crate) async fn open(
        secrets: &Store,
        password: &AdminPassword,
        accounts: &Accounts,
        user: &'static str,
    ) -> Result<Self, Failure> {
        let key = password.reference.key.clone();
        let mut subscription = secrets
            .watch(&Scope::Own, &password.reference, Need::Required, "admin password")
            .context("access.adminPassword")
            .or_exit(Reason::Usage)?;
        secrets.started().await.context("access.adminPassword").or_exit(Reason::Failed)?;
        let mut slots = None;
        let taken = subscription.apply(|snapshot| {
            slots = Some(TwoSlot::new(&password_in(snapshot, &key)?, password.overlap)?);
            Ok(())
        });
        let slots = match (taken, slots) {
            (Some(Ok(_)), Some(slots)) => Arc::new(slots),
            (Some(Err(refused)), _) => {
                return Err(refused).context("access.adminPassword").or_exit(Reason::Failed);
            }
            (None | Some(Ok(_)), _) => {
                return Err(Refused("there is no password"))
                    .context("access.adminPassword")
                    .or_exit(Reason::Failed);
            }
        };
        let checked = Arc::clone(&slots);
        let check = Arc::new(move |sent: &parapet_access::Secret| {
            let slot = checked.accepts(sent.expose().as_bytes());
            if slot == Some(Slot::Previous) {
                tracing::info!(
                    user,
                    "the password before the last change was used; it opens for a while yet"
                );
            }
            slot.is_some()
        });
        accounts.keep_password_elsewhere(user, check).or_exit(Reason::Data)?;
        Ok(Self { key, slots, subscription })
    }

    /// Takes each new password as it comes, until `closed`.
    pub(crate) fn spawn_rotation(self, closed: watch::Receiver<bool>) -> JoinHandle<()> {
        let Self { key, slots, subscription } = self;
        let following =
            subscription.keep_applied(move |snapshot| slots.rotate(&password_in(snapshot, &key)?));
        tokio::spawn(async move {
            tokio::select! {
                () = following => {}
                () = turned(closed) => {}
            }
        })
    }
}

/// What a person can type of the value: a line end at its end is an editor's.
fn password_in(snapshot: &Snapshot, key: &SecretKey) -> Result<SecretBytes, Refused> {
    let value = snapshot.get(key.as_str()).ok_or(Refused("the secret has no such password"))?;
    let text = value.expose_text().ok_or(Refused("the password is no text"))?;
    let text = text.strip_suffix('\n').map_or(text, |text| text.strip_suffix('\r').unwrap_or(text));
    if text.len() > MAX_PASSWORD_BYTES {
        return Err(Refused("the password is longer than 1024 bytes"));
    }
    Ok(SecretBytes::from(text.as_bytes().to_vec()))
}
