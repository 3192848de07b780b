//! redb over our files: what it committed is found after a power loss at any operation.

use std::path::Path;

use parapet_fs::sim::{Faults, SimFs};
use parapet_fs::{Fs, OpenMode, RedbFile, ensure_dir};
use redb::{Database, ReadableDatabase, TableDefinition};

const TABLE: TableDefinition<'_, u64, u64> = TableDefinition::new("t");

fn open(fs: &SimFs) -> Result<Database, redb::DatabaseError> {
    let path = Path::new("data/meta.redb");
    ensure_dir(fs, Path::new("data"))?;
    let file = fs.open(path, OpenMode::Create)?;
    fs.sync_dir(Path::new("data"))?;
    Database::builder().create_with_backend(RedbFile::new(file))
}

fn commit(database: &Database, value: u64) -> Result<(), redb::Error> {
    let transaction = database.begin_write()?;
    transaction.open_table(TABLE)?.insert(0, value)?;
    Ok(transaction.commit()?)
}

fn value(database: &Database) -> u64 {
    let transaction = database.begin_read().unwrap();
    match transaction.open_table(TABLE) {
        Ok(table) => table.get(0).unwrap().map_or(0, |value| value.value()),
        Err(redb::TableError::TableDoesNotExist(_)) => 0,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn commits_survive_a_power_loss_at_any_operation() {
    for at in (0..120).step_by(3) {
        let fs = SimFs::new(at);
        drop(open(&fs).unwrap());
        fs.set_faults(Faults { crash_at: Some(fs.operations() + at), ..Faults::default() });
        let mut committed = 0;
        if let Ok(database) = open(&fs) {
            for next in 1..20 {
                match commit(&database, next) {
                    Ok(()) => committed = next,
                    Err(_) => break,
                }
            }
        }
        let database = open(&fs.crash()).unwrap();
        let found = value(&database);
        assert!(
            found == committed || found == committed + 1,
            "operation {at}: {found}, committed {committed}"
        );
        commit(&database, 100).unwrap();
    }
}
