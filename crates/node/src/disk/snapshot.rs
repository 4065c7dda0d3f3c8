//! The store as it is after one block: every read of one request sees the same head.

use alloy_consensus::{Header, TxEnvelope, transaction::Recovered};
use alloy_primitives::{Address, B256, Bytes, KECCAK256_EMPTY, U256};
use cairn_ledger::{Account, FullState, State, StateError, Writes};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable};

use super::{
    DiskError,
    history::StateAt,
    tables::{self, StoredReceipt, damaged},
};

type Bytewise = ReadOnlyTable<&'static [u8], &'static [u8]>;
type ByHeight = ReadOnlyTable<u64, &'static [u8]>;
type ByPosition = ReadOnlyTable<(u64, u32), &'static [u8]>;

/// Blocks whose hash a contract may ask for.
const BLOCK_HASHES: u64 = 256;

/// A block without its receipts.
#[derive(Clone, Debug)]
pub struct StoredBlock {
    /// Keccak-256 of the header.
    pub hash: B256,
    /// The header.
    pub header: Header,
    /// With senders, in order.
    pub transactions: Vec<Recovered<TxEnvelope>>,
}

/// Reads at one head. Cheap to share (`Arc`); drop it soon, it keeps old pages of the store alive.
pub struct Snapshot {
    head: Option<(B256, Header)>,
    window_start: u64,
    blocks_start: u64,
    pub(super) accounts: Bytewise,
    pub(super) slots: Bytewise,
    codes: Bytewise,
    headers: ByHeight,
    heights: ReadOnlyTable<&'static [u8], u64>,
    transactions: ByPosition,
    receipts: ByPosition,
    positions: ReadOnlyTable<&'static [u8], (u64, u32)>,
    certificates: ByHeight,
    digests: ReadOnlyTable<&'static [u8], u64>,
    writes: ByHeight,
    pub(super) account_history: Bytewise,
    pub(super) slot_history: Bytewise,
}

impl Snapshot {
    pub(super) fn open(read: &ReadTransaction) -> Result<Self, DiskError> {
        let headers = read.open_table(tables::HEADERS)?;
        let head = match headers.last()? {
            Some((_, bytes)) => Some(tables::header_from_bytes(bytes.value())?),
            None => None,
        };
        let writes = read.open_table(tables::WRITES)?;
        let meta = read.open_table(tables::META)?;
        let number = |key| match meta.get(key)? {
            Some(bytes) => {
                bytes.value().try_into().map_err(|_| damaged("meta")).map(u64::from_be_bytes)
            }
            None => Ok(0),
        };
        let base = number(tables::BASE_KEY)?;
        // Writes of block h take the state from h back to h − 1.
        let window_start =
            writes.first()?.map_or(base, |(height, _)| height.value().saturating_sub(1).max(base));
        Ok(Self {
            head,
            window_start,
            blocks_start: number(tables::BLOCKS_KEY)?,
            headers,
            writes,
            accounts: read.open_table(tables::ACCOUNTS)?,
            slots: read.open_table(tables::SLOTS)?,
            codes: read.open_table(tables::CODES)?,
            heights: read.open_table(tables::HEIGHTS)?,
            transactions: read.open_table(tables::TRANSACTIONS)?,
            receipts: read.open_table(tables::RECEIPTS)?,
            positions: read.open_table(tables::POSITIONS)?,
            certificates: read.open_table(tables::CERTIFICATES)?,
            digests: read.open_table(tables::DIGESTS)?,
            account_history: read.open_table(tables::ACCOUNT_HISTORY)?,
            slot_history: read.open_table(tables::SLOT_HISTORY)?,
        })
    }

    /// The last block's hash and header; `None` before genesis.
    #[must_use]
    pub const fn head(&self) -> Option<&(B256, Header)> {
        self.head.as_ref()
    }

    /// The last block's height; 0 before genesis.
    #[must_use]
    pub fn height(&self) -> u64 {
        self.head.as_ref().map_or(0, |(_, header)| header.number)
    }

    /// The state after block `height`, which may be the head or a block within the window of kept diffs.
    ///
    /// # Errors
    /// `DiskError::UnknownBlock` above the head, `DiskError::StatePruned` below the window.
    pub fn at(&self, height: u64) -> Result<StateAt<'_>, DiskError> {
        if height > self.height() {
            return Err(DiskError::UnknownBlock { height });
        }
        if height < self.window_start {
            return Err(DiskError::StatePruned { height, oldest: self.window_start });
        }
        Ok(StateAt::new(self, height))
    }

    /// The oldest block that is kept with transactions and receipts.
    #[must_use]
    pub const fn blocks_start(&self) -> u64 {
        self.blocks_start
    }

    /// Fails for a block whose transactions are not kept, so that it is never taken for one without any.
    pub(crate) fn kept(&self, height: u64) -> Result<(), DiskError> {
        if height < self.blocks_start {
            return Err(DiskError::BlockPruned { height, oldest: self.blocks_start });
        }
        Ok(())
    }

    /// Hash and header of a block. Those of pruned blocks are mostly not kept.
    ///
    /// # Errors
    /// When the store cannot be read; so for all methods below.
    pub fn header(&self, height: u64) -> Result<Option<(B256, Header)>, DiskError> {
        self.headers.get(height)?.map(|bytes| tables::header_from_bytes(bytes.value())).transpose()
    }

    /// Height of the block with this hash.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn height_of(&self, hash: B256) -> Result<Option<u64>, DiskError> {
        Ok(self.heights.get(hash.as_slice())?.map(|height| height.value()))
    }

    /// A block with its transactions.
    ///
    /// # Errors
    /// `DiskError::BlockPruned` when it is not kept any more; when the store cannot be read.
    pub fn block(&self, height: u64) -> Result<Option<StoredBlock>, DiskError> {
        self.kept(height)?;
        let Some((hash, header)) = self.header(height)? else {
            return Ok(None);
        };
        let mut transactions = Vec::new();
        for entry in self.transactions.range((height, 0)..=(height, u32::MAX))? {
            transactions.push(tables::transaction_from_bytes(entry?.1.value())?);
        }
        Ok(Some(StoredBlock { hash, header, transactions }))
    }

    /// Number of transactions of a block.
    ///
    /// # Errors
    /// As `block`.
    pub fn transaction_count(&self, height: u64) -> Result<u32, DiskError> {
        self.kept(height)?;
        let mut range = self.transactions.range((height, 0)..=(height, u32::MAX))?;
        match range.next_back() {
            Some(entry) => Ok(entry?.0.value().1 + 1),
            None => Ok(0),
        }
    }

    /// The receipts of a block, one a transaction.
    ///
    /// # Errors
    /// As `block`.
    pub fn receipts(&self, height: u64) -> Result<Vec<StoredReceipt>, DiskError> {
        self.kept(height)?;
        let mut receipts = Vec::new();
        for entry in self.receipts.range((height, 0)..=(height, u32::MAX))? {
            receipts.push(tables::receipt_from_bytes(entry?.1.value())?);
        }
        Ok(receipts)
    }

    /// Where a transaction is: (height, index).
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn position(&self, hash: B256) -> Result<Option<(u64, u32)>, DiskError> {
        Ok(self.positions.get(hash.as_slice())?.map(|position| position.value()))
    }

    /// The transaction at a position.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn transaction(
        &self,
        position: (u64, u32),
    ) -> Result<Option<Recovered<TxEnvelope>>, DiskError> {
        self.transactions
            .get(position)?
            .map(|bytes| tables::transaction_from_bytes(bytes.value()))
            .transpose()
    }

    /// The receipt at a position.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn receipt(&self, position: (u64, u32)) -> Result<Option<StoredReceipt>, DiskError> {
        self.receipts
            .get(position)?
            .map(|bytes| tables::receipt_from_bytes(bytes.value()))
            .transpose()
    }

    /// The finality certificate of a block; empty for genesis.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn certificate(&self, height: u64) -> Result<Option<Bytes>, DiskError> {
        Ok(self.certificates.get(height)?.map(|bytes| Bytes::copy_from_slice(bytes.value())))
    }

    /// Header and net writes of the block that consensus knows by `digest`, within the window.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn writes_of(&self, digest: [u8; 32]) -> Result<Option<(Header, Writes)>, DiskError> {
        let Some(height) = self.digests.get(&digest[..])?.map(|height| height.value()) else {
            return Ok(None);
        };
        let Some((_, header)) = self.header(height)? else {
            return Err(damaged("headers"));
        };
        let Some(bytes) = self.writes.get(height)? else {
            return Err(damaged("writes"));
        };
        Ok(Some((header, tables::writes_from_bytes(bytes.value())?.1)))
    }

    /// The name by which consensus knows the block at `height`, within the window.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn digest_at(&self, height: u64) -> Result<Option<[u8; 32]>, DiskError> {
        let Some(bytes) = self.writes.get(height)? else {
            return Ok(None);
        };
        tables::take::<32>(&mut bytes.value(), "writes").map(Some)
    }

    pub(super) fn read_account(&self, address: Address) -> Result<Option<Account>, DiskError> {
        self.accounts
            .get(address.as_slice())?
            .map(|bytes| tables::account_from_bytes(bytes.value()))
            .transpose()
    }

    pub(super) fn read_slot(&self, address: Address, slot: U256) -> Result<U256, DiskError> {
        match self.slots.get(&tables::slot_key(address, slot)[..])? {
            Some(value) => U256::try_from_be_slice(value.value()).ok_or(damaged("slots")),
            None => Ok(U256::ZERO),
        }
    }

    pub(super) fn read_code(&self, hash: B256) -> Result<Bytes, DiskError> {
        if hash == KECCAK256_EMPTY {
            return Ok(Bytes::new());
        }
        let code = self.codes.get(hash.as_slice())?.ok_or(damaged("codes"))?;
        Ok(Bytes::copy_from_slice(code.value()))
    }

    /// The code with this hash, if some account has or had it.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub fn find_code(&self, hash: B256) -> Result<Option<Bytes>, DiskError> {
        Ok(self.codes.get(hash.as_slice())?.map(|code| Bytes::copy_from_slice(code.value())))
    }

    /// Hash of block `number` for a child of the block at `height`.
    pub(super) fn read_block_hash(&self, height: u64, number: u64) -> Result<B256, DiskError> {
        if number > height || number + BLOCK_HASHES <= height {
            return Ok(B256::ZERO);
        }
        Ok(self.header(number)?.map_or(B256::ZERO, |(hash, _)| hash))
    }
}

impl State for Snapshot {
    fn account(&self, address: Address) -> Result<Option<Account>, StateError> {
        Ok(self.read_account(address)?)
    }
    fn slot(&self, address: Address, slot: U256) -> Result<U256, StateError> {
        Ok(self.read_slot(address, slot)?)
    }
    fn code(&self, hash: B256) -> Result<Bytes, StateError> {
        Ok(self.read_code(hash)?)
    }
    fn block_hash(&self, number: u64) -> Result<B256, StateError> {
        Ok(self.read_block_hash(self.height(), number)?)
    }
}

impl FullState for Snapshot {
    fn each_account(
        &self,
        visit: &mut dyn FnMut(Address, Account) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        for entry in self.accounts.iter().map_err(DiskError::from)? {
            let (key, value) = entry.map_err(DiskError::from)?;
            let address = Address::try_from(key.value()).map_err(|_| damaged("accounts"))?;
            visit(address, tables::account_from_bytes(value.value())?)?;
        }
        Ok(())
    }

    fn each_slot(
        &self,
        contract: Address,
        visit: &mut dyn FnMut(U256, U256) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let (first, last) =
            (tables::slot_key(contract, U256::ZERO), tables::slot_key(contract, U256::MAX));
        for entry in self.slots.range::<&[u8]>(&first[..]..=&last[..]).map_err(DiskError::from)? {
            let (key, value) = entry.map_err(DiskError::from)?;
            let slot = key
                .value()
                .get(20..52)
                .and_then(U256::try_from_be_slice)
                .ok_or(damaged("slots"))?;
            visit(slot, U256::try_from_be_slice(value.value()).ok_or(damaged("slots"))?)?;
        }
        Ok(())
    }

    fn as_state(&self) -> &dyn State {
        self
    }
}
