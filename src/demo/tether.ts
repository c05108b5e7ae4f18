/*
 * Preloaded (`node --import`) into the daemon that the demo starts: ends it as SIGTERM would when the demo has ended in
 * whatever way, kill -9 included. The channel to the parent closes with the parent.
 */
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'));
