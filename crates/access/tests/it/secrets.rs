//! What must never be seen: passwords, session ids, token secrets, in files, `Debug` or JSON.

use parapet_access::{NewToken, Scope};

use crate::world::World;

#[tokio::test]
async fn neither_the_file_nor_debug_nor_json_shows_a_secret() {
    let (world, password) = World::with_admin();
    let session = world.login("admin", &password).await.unwrap();
    let wish =
        NewToken { name: "agent".into(), scopes: [Scope::Read].into_iter().collect(), expires_in_days: None };
    let minted = world.accounts.mint_token(wish).unwrap();
    let token = minted.secret.expose().to_owned();
    let header = format!("Bearer {token}");
    let principal = world.accounts.authenticate_bearer(Some(&header), Scope::Read).unwrap();
    let wrong = world.login("admin", "not the passw0rd").await.unwrap_err();

    let shown = [
        world.file(),
        format!("{:?} {session:?} {minted:?} {principal:?} {wrong:?} {wrong}", world.accounts),
        format!("{:?}", world.accounts.session(session.id.as_ref().unwrap().expose())),
        format!("{:?}", world.accounts.users()),
        serde_json::to_string(&world.accounts.users()).unwrap(),
        serde_json::to_string(&world.accounts.tokens()).unwrap(),
        serde_json::to_string(&minted.token).unwrap(),
    ];
    let secrets = [
        password.as_str(),
        session.id.as_ref().unwrap().expose(),
        session.csrf_token.expose(),
        &token,
        token.rsplit_once('_').unwrap().1,
        "not the passw0rd",
    ];
    for text in &shown {
        for secret in secrets {
            assert!(!text.contains(secret), "{secret} is in {text}");
        }
    }
}

#[test]
fn debug_shows_no_hashes_either() {
    let (world, _) = World::with_admin();
    assert!(world.file().contains("$argon2id$"), "the file has what verifies");
    assert!(!format!("{:?} {:?}", world.accounts, world.accounts.users()).contains("argon2"));
}
