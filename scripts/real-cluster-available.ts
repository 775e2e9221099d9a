/** Exits with 0 where scripts can run a real cluster, else with 69 and the reason; for scripts/test. */
import { realClusterUnavailable } from './real-cluster.js';

const reason = realClusterUnavailable();
if (reason !== undefined) {
  console.log(reason);
  process.exitCode = 69;
}
