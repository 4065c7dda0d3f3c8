//! The book of leases: what is owed, what is signed, what is settled. One redb file; every change is on the disk before
//! it is acknowledged.

use std::path::Path;

use alloy_primitives::{Address, Bytes};
use cairn_primitives::{Epoch, MicroUsd};
use cairn_sectors::lease::{Receipt, Used};
use redb::{Database, ReadableDatabase as _, ReadableTable as _, TableDefinition};
use serde::{Deserialize, Serialize};

use super::QueryName;

/// Lease number → account as JSON.
const ACCOUNTS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("accounts");

/// An answer that was given and is not paid.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenAnswer {
    /// keccak256 of the query's text.
    pub query: QueryName,
    /// The last epoch that the query saw.
    pub through: Option<Epoch>,
    /// Rows by device: the lease machine prices and splits them again from this.
    pub used: Used,
}

/// What is known about one lease.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Who signs for it.
    pub consumer: Address,
    /// The answer that waits for its receipt.
    pub open: Option<OpenAnswer>,
    /// The highest receipt; its lease is this lease.
    pub paid: Receipt,
    /// The consumer's signature under it, 65 bytes; none while nothing is paid.
    pub signature: Option<Bytes>,
    /// What the ledger has paid of it.
    pub settled: MicroUsd,
    /// Why the ledger will not pay the rest, if so.
    pub refused: Option<String>,
}

impl Account {
    /// A lease on which nothing has happened.
    #[must_use]
    pub fn new(lease: u64, consumer: Address) -> Self {
        Self {
            consumer,
            open: None,
            paid: Receipt { lease, ..Receipt::default() },
            signature: None,
            settled: MicroUsd::ZERO,
            refused: None,
        }
    }

    /// The signature under a receipt that the ledger has not paid yet.
    #[must_use]
    pub fn unsettled(&self) -> Option<[u8; 65]> {
        if self.refused.is_some() || self.paid.amount <= self.settled {
            return None;
        }
        self.signature.as_ref().and_then(|bytes| bytes.as_ref().try_into().ok())
    }
}

/// The book cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub enum BookError {
    /// The database.
    #[error("the book of receipts")]
    Database(#[source] Box<redb::Error>),
    /// A line that is no account.
    #[error("the book's line of lease {0} cannot be read")]
    Line(u64, #[source] serde_json::Error),
}

impl<E: Into<redb::Error>> From<E> for BookError {
    fn from(error: E) -> Self {
        Self::Database(Box::new(error.into()))
    }
}

/// The book; see the module.
#[derive(Debug)]
pub struct Book(Database);

impl Book {
    /// Opens or makes the book.
    ///
    /// # Errors
    /// When the disk refuses, or another process has it open.
    pub fn open(path: &Path) -> Result<Self, BookError> {
        let database = Database::create(path)?;
        let write = database.begin_write()?;
        write.open_table(ACCOUNTS)?;
        write.commit()?;
        Ok(Self(database))
    }

    /// The account of a lease.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn get(&self, lease: u64) -> Result<Option<Account>, BookError> {
        let table = self.0.begin_read()?.open_table(ACCOUNTS)?;
        table.get(lease)?.map(|line| parse(lease, line.value())).transpose()
    }

    /// Keeps an account; on the disk when this returns.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn put(&self, account: &Account) -> Result<(), BookError> {
        let lease = account.paid.lease;
        let line = serde_json::to_vec(account).map_err(|e| BookError::Line(lease, e))?;
        let write = self.0.begin_write()?;
        write.open_table(ACCOUNTS)?.insert(lease, line.as_slice())?;
        write.commit()?;
        Ok(())
    }

    /// Notes what the ledger says about a lease's settlement, whatever happened to the account meanwhile.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn settled(
        &self,
        lease: u64,
        settled: MicroUsd,
        refused: Option<String>,
    ) -> Result<(), BookError> {
        let write = self.0.begin_write()?;
        {
            let mut table = write.open_table(ACCOUNTS)?;
            let account = table.get(lease)?.map(|line| parse(lease, line.value())).transpose()?;
            if let Some(mut account) = account {
                account.settled = account.settled.max(settled);
                account.refused = refused;
                let line = serde_json::to_vec(&account).map_err(|e| BookError::Line(lease, e))?;
                table.insert(lease, line.as_slice())?;
            }
        }
        write.commit()?;
        Ok(())
    }

    /// Every account with a receipt that the ledger has not paid.
    ///
    /// # Errors
    /// When the disk refuses.
    pub fn unsettled(&self) -> Result<Vec<Account>, BookError> {
        let table = self.0.begin_read()?.open_table(ACCOUNTS)?;
        let mut accounts = Vec::new();
        for line in table.iter()? {
            let (lease, line) = line?;
            let account = parse(lease.value(), line.value())?;
            if account.unsettled().is_some() {
                accounts.push(account);
            }
        }
        Ok(accounts)
    }
}

fn parse(lease: u64, line: &[u8]) -> Result<Account, BookError> {
    serde_json::from_slice(line).map_err(|error| BookError::Line(lease, error))
}
