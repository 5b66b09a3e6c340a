export { checkpointFolder, type CheckpointFolder, type CheckpointFolderOptions, type NewestCheckpoint } from './node/checkpoint-folder.js';
export { MetricsFileError, openMetrics, readMetrics, type MetricsFile } from './node/metrics-file.js';
