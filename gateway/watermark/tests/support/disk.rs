//! A disk in memory, beneath the real source, that fails, tears writes, forgets what was not synced, and lies after a
//! failed sync as Linux does: what was not written is told as clean.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard};

static WORLDS: LazyLock<Mutex<HashMap<PathBuf, Arc<World>>>> = LazyLock::new(Mutex::default);

/// What happens to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It fails, this once; half of a write is done.
    Once,
    /// It and all that come after fail, until [`World::heal`].
    Full,
    /// The power goes: as [`Fault::Full`], and nothing can be healed before [`World::cut`].
    Power,
}

/// One folder's disk.
pub(crate) struct World(Mutex<State>);

#[derive(Default)]
struct State {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    /// Changes of names since the folder was synced, in order.
    renames: Vec<BTreeMap<String, usize>>,
    locked: bool,
    /// How many calls until a fault.
    fault: Option<(u64, Fault)>,
    failing: Option<Fault>,
    calls: u64,
}

#[derive(Default)]
struct Inode {
    cached: Vec<u8>,
    durable: Vec<u8>,
    /// Writes since the last sync.
    writes: Vec<(usize, Vec<u8>)>,
    /// Since a sync failed.
    lies: bool,
}

impl World {
    pub(crate) fn at(path: &Path) -> Arc<Self> {
        Arc::clone(WORLDS.lock().unwrap().entry(path.to_owned()).or_insert_with(|| Arc::new(Self(Mutex::default()))))
    }

    pub(crate) fn forget(path: &Path) {
        WORLDS.lock().unwrap().remove(path);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        crate::pause();
        self.0.lock().unwrap()
    }

    /// The `calls`th call from now on, counted from 0, goes wrong.
    pub(crate) fn fail_after(&self, calls: u64, fault: Fault) {
        self.0.lock().unwrap().fault = Some((calls, fault));
    }

    pub(crate) fn heal(&self) {
        let mut state = self.0.lock().unwrap();
        state.fault = None;
        state.failing = None;
    }

    pub(crate) fn has_power(&self) -> bool {
        self.0.lock().unwrap().failing != Some(Fault::Power)
    }

    /// How many calls there were.
    pub(crate) fn calls(&self) -> u64 {
        self.0.lock().unwrap().calls
    }

    /// What was not synced is gone, or a part of it is: `choice` decides.
    pub(crate) fn cut(&self, mut choice: u64) {
        let mut state = self.0.lock().unwrap();
        let mut draw = |below: usize| {
            choice = choice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(choice >> 33).unwrap() % below.max(1)
        };
        for inode in &mut state.inodes {
            let kept = draw(inode.writes.len() + 1);
            let torn = inode.writes.get(kept).cloned();
            let whole: Vec<_> = inode.writes.drain(..).take(kept).collect();
            if !inode.lies {
                for (offset, bytes) in whole {
                    put(&mut inode.durable, offset, &bytes);
                }
                if let Some((offset, bytes)) = torn {
                    put(&mut inode.durable, offset, &bytes[..draw(bytes.len())]);
                }
            }
            inode.cached.clone_from(&inode.durable);
            inode.lies = false;
        }
        let kept = draw(state.renames.len() + 1);
        if let Some(names) = kept.checked_sub(1).and_then(|last| state.renames.get(last)).cloned() {
            state.durable_names = names;
        }
        state.renames.clear();
        state.names = state.durable_names.clone();
        state.fault = None;
        state.failing = None;
    }

    /// The bytes of a file, as a process would read them.
    pub(crate) fn read(&self, name: &str) -> Option<Vec<u8>> {
        let state = self.0.lock().unwrap();
        state.names.get(name).map(|id| state.inodes[*id].cached.clone())
    }

    /// Puts a file there, or takes it away.
    pub(crate) fn put(&self, name: &str, bytes: Option<&[u8]>) {
        let mut state = self.0.lock().unwrap();
        state.names.remove(name);
        if let Some(bytes) = bytes {
            state.inodes.push(Inode { cached: bytes.to_owned(), durable: bytes.to_owned(), ..Inode::default() });
            let id = state.inodes.len() - 1;
            state.names.insert(name.to_owned(), id);
        }
        state.durable_names = state.names.clone();
        state.renames.clear();
    }

    /// What a power cut would leave of a file, at the least.
    pub(crate) fn durable(&self, prefix: &str) -> Option<String> {
        let state = self.0.lock().unwrap();
        let (_, id) =
            state.durable_names.iter().find(|(name, _)| name.starts_with(prefix) && name.ends_with(".log"))?;
        Some(String::from_utf8_lossy(&state.inodes[*id].durable).into_owned())
    }

    pub(crate) fn names(&self) -> Vec<String> {
        self.0.lock().unwrap().names.keys().cloned().collect()
    }
}

impl State {
    /// Counts a call, and answers whether it goes well.
    fn call(&mut self) -> io::Result<()> {
        self.calls += 1;
        if self.failing.is_none() {
            if let Some((left, fault)) = self.fault {
                if left == 0 {
                    self.fault = None;
                    if fault != Fault::Once {
                        self.failing = Some(fault);
                    }
                    return Err(io::Error::other("made to fail"));
                }
                self.fault = Some((left - 1, fault));
            }
            return Ok(());
        }
        Err(io::Error::other("made to fail"))
    }

    fn named(&mut self) {
        let names = self.names.clone();
        self.renames.push(names);
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if content.len() < end {
        content.resize(end, 0);
    }
    content[offset..end].copy_from_slice(bytes);
}

pub(crate) struct Folder {
    path: PathBuf,
    world: Arc<World>,
}

pub(crate) struct Lock(Arc<World>);

impl Drop for Lock {
    fn drop(&mut self) {
        self.0.0.lock().unwrap().locked = false;
    }
}

impl Folder {
    pub(crate) fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), world: World::at(path) }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn lock(&self, _name: &str) -> io::Result<Option<Lock>> {
        let mut state = self.world.state();
        if std::mem::replace(&mut state.locked, true) {
            return Ok(None);
        }
        Ok(Some(Lock(Arc::clone(&self.world))))
    }

    pub(crate) fn read(&self, name: &str, at_most: u64) -> io::Result<Option<Vec<u8>>> {
        let mut state = self.world.state();
        state.call()?;
        let Some(id) = state.names.get(name).copied() else { return Ok(None) };
        let mut bytes = state.inodes[id].cached.clone();
        bytes.truncate(usize::try_from(at_most).unwrap() + 1);
        Ok(Some(bytes))
    }

    pub(crate) fn log(&self, name: &str) -> io::Result<Option<Log>> {
        let mut state = self.world.state();
        state.call()?;
        Ok(state.names.get(name).map(|id| Log { world: Arc::clone(&self.world), id: *id }))
    }

    pub(crate) fn create(&self, name: &str) -> io::Result<Log> {
        let mut state = self.world.state();
        state.call()?;
        state.inodes.push(Inode::default());
        let id = state.inodes.len() - 1;
        state.names.insert(name.to_owned(), id);
        state.named();
        Ok(Log { world: Arc::clone(&self.world), id })
    }

    pub(crate) fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.world.state();
        state.call()?;
        let id = state.names.remove(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), id);
        state.named();
        Ok(())
    }

    pub(crate) fn link(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.world.state();
        state.call()?;
        let id = *state.names.get(from).ok_or(io::ErrorKind::NotFound)?;
        state.names.insert(to.to_owned(), id);
        state.named();
        Ok(())
    }

    pub(crate) fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.world.state();
        state.call()?;
        state.names.remove(name);
        state.named();
        Ok(())
    }

    pub(crate) fn keep(&self, log: &Log, name: &str) -> io::Result<()> {
        log.sync()?;
        match self.world.state().names.get(name) {
            Some(id) if *id == log.id => Ok(()),
            _ => Err(io::Error::other("another file has taken its place")),
        }
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        let mut state = self.world.state();
        state.call()?;
        state.durable_names = state.names.clone();
        state.renames.clear();
        Ok(())
    }
}

pub(crate) struct Log {
    world: Arc<World>,
    id: usize,
}

impl Log {
    pub(crate) fn len(&self) -> io::Result<u64> {
        Ok(u64::try_from(self.world.state().inodes[self.id].cached.len()).unwrap())
    }

    pub(crate) fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.world.state();
        let result = state.call();
        let done = if result.is_ok() { bytes } else { &bytes[..bytes.len() / 2] };
        let offset = usize::try_from(offset).unwrap();
        if state.failing != Some(Fault::Power) {
            let inode = &mut state.inodes[self.id];
            put(&mut inode.cached, offset, done);
            inode.writes.push((offset, done.to_owned()));
        }
        result
    }

    pub(crate) fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let state = self.world.state();
        let content = &state.inodes[self.id].cached;
        let rest = content.get(usize::try_from(offset).unwrap()..).unwrap_or_default();
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        Ok(count)
    }

    pub(crate) fn sync(&self) -> io::Result<()> {
        crate::pause();
        let mut state = self.world.state();
        let result = state.call();
        let inode = &mut state.inodes[self.id];
        match result {
            Ok(()) if !inode.lies => {
                inode.durable.clone_from(&inode.cached);
                inode.writes.clear();
            }
            Ok(()) => {}
            Err(_) => inode.lies = true,
        }
        drop(state);
        crate::pause();
        result
    }
}
