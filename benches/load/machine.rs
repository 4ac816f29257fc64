//! The machine and the day of a measurement.

use nabz::clock::Clock;

/// Cores, processor, kernel and day in one line.
pub fn describe() -> String {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let processor = read("/proc/cpuinfo")
        .lines()
        .find_map(|line| line.strip_prefix("model name")?.split_once(':'))
        .map_or_else(|| "unknown processor".to_owned(), |(_, name)| name.trim().to_owned());
    let kernel = read("/proc/sys/kernel/osrelease");
    let today = Clock::System.now().to_utc().date_naive();
    format!("{cores} cores, {processor}, Linux {}, {today}", kernel.trim())
}

/// Files and connections that one process may have open.
pub fn open_files() -> usize {
    let limit = read("/proc/self/limits");
    let soft = limit.lines().find_map(|line| line.strip_prefix("Max open files")?.split_whitespace().next());
    soft.and_then(|soft| soft.parse().ok()).unwrap_or(usize::MAX)
}

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
