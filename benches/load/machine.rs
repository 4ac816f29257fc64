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

fn read(path: &str) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
