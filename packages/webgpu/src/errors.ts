/** What can go wrong on a device, as types a caller can tell apart. */

/** The device is gone: the driver was reset or removed, or the device was closed. Nothing on it can be used again. */
export class DeviceLostError extends Error {
  override name = 'DeviceLostError';
  constructor(readonly reason: string, message: string) {
    super(`the WebGPU device was lost (${reason}): ${message || 'no message'}. Make a new device and load the last checkpoint on it`);
  }
}

/** The driver refused a command. It is a defect of this package or of the driver, not of the model. */
export class ValidationError extends Error {
  override name = 'ValidationError';
}

/** More memory was asked for than the adapter gives. */
export class OutOfMemoryError extends Error {
  override name = 'OutOfMemoryError';
  constructor(readonly bytes: number, readonly limit: number, what: string) {
    super(`${what} needs ${bytes} bytes; this adapter gives at most ${limit} in one buffer. Use a smaller batch, a shorter context, or checkpoint()`);
  }
}
