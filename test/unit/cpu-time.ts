/**
 * Milliseconds of CPU time since `start`; the clock on the wall would also measure the machine's other work.
 * @param start what `process.cpuUsage()` gave.
 */
export function cpuMsSince(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
