import { open } from 'node:fs/promises';
import { parquetMetadataAsync, parquetScan, parquetSchema, type AsyncBuffer, type Compressors, type SchemaTree } from 'hyparquet';
import { compressors } from 'hyparquet-compressors';
import { TextFileError } from './text-files.js';

/** What a column of a group of rows, or a page of it, may take once it is unpacked. */
const mostBytes = 1 << 30;
const mostRows = 1 << 24;

/**
 * The rows of a Parquet file: the columns of strings that are asked for, or else all that hold strings, numbers or truth
 * values. A group of rows is read at a time, and of it the ranges of those columns.
 * @throws TextFileError where a column is missing or of another kind, or the file is damaged.
 */
export async function* readParquet(file: string, columns?: readonly string[]): AsyncGenerator<{ readonly [column: string]: unknown }> {
  const handle = await open(file, 'r');
  try {
    const { size: byteLength } = await handle.stat(), buffer: AsyncBuffer = {
      byteLength,
      async slice(start, end = byteLength) {
        const bytes = new Uint8Array(Math.max(0, end - start)), { bytesRead } = await handle.read(bytes, 0, bytes.length, start);
        if (bytesRead < bytes.length) throw new Error(`it ends at byte ${start + bytesRead}`);
        return bytes.buffer;
      },
    };
    const metadata = await attempt(file, () => parquetMetadataAsync(buffer, { geoparquet: false })), { children } = parquetSchema(metadata);
    for (const name of columns ?? []) checkColumn(file, children, name);
    const names = columns ?? children.filter(isScalar).map(({ element }) => element.name);
    for (const { num_rows, columns: chunks } of metadata.row_groups) {
      const greatest = Math.max(0, ...chunks.filter(({ meta_data }) => names.includes(meta_data?.path_in_schema[0] ?? '')).map(({ meta_data }) => Number(meta_data!.total_uncompressed_size)));
      if (greatest > mostBytes || num_rows > mostRows) throw new TextFileError(`${file}: a group of its rows has ${num_rows} rows and ${greatest} bytes in a column, and ${mostRows} rows and ${mostBytes} bytes are the most; write it with smaller groups of rows`);
    }
    const { ranges, readColumn } = await attempt(file, () => parquetScan({ file: buffer, metadata, columns: [...names], compressors: bounded, utf8: false, geoparquet: false }));
    for (const range of ranges) {
      const read = await attempt(file, () => Promise.all(names.map((column) => readColumn({ column, ...range }))));
      for (let row = 0; row < range.rowEnd - range.rowStart; row++) yield Object.fromEntries(names.map((name, i) => [name, read[i]![row] as unknown]));
    }
  } finally {
    await handle.close();
  }
}

async function attempt<Result>(file: string, action: () => Promise<Result>): Promise<Result> {
  try {
    return await action();
  } catch (error) {
    throw new TextFileError(`${file}: cannot be read as Parquet: ${(error as Error).message}`, { cause: error });
  }
}

/** Nothing is unpacked into more memory than a column may take, whatever a page says of itself. */
const bounded: Compressors = Object.fromEntries(Object.entries(compressors).map(([codec, unpack]) => [codec, (input: Uint8Array, length: number) => {
  if (!(length >= 0 && length <= mostBytes)) throw new Error(`a page of ${length} bytes`);
  return unpack(input, length);
}]));

const isString = ({ element: { type, converted_type, logical_type }, children }: SchemaTree): boolean => children.length === 0 && type === 'BYTE_ARRAY' && (converted_type === 'UTF8' || logical_type?.type === 'STRING');
const plainTypes: readonly (string | undefined)[] = ['BOOLEAN', 'INT32', 'INT64', 'FLOAT', 'DOUBLE'];
const isScalar = (column: SchemaTree): boolean => column.element.repetition_type !== 'REPEATED' && (isString(column) || (column.children.length === 0 && plainTypes.includes(column.element.type)));

/** Throws unless there is such a column of strings. */
function checkColumn(file: string, columns: readonly SchemaTree[], name: string): void {
  const found = columns.find(({ element }) => element.name === name);
  if (found && isScalar(found) && isString(found)) return;
  const strings = columns.filter((one) => isScalar(one) && isString(one)).map(({ element }) => JSON.stringify(element.name)).join(', ') || 'none';
  throw new TextFileError(`${file}: ${found ? `the column ${JSON.stringify(name)} holds ${found.children.length > 0 || found.element.repetition_type === 'REPEATED' ? 'values of several parts' : found.element.logical_type?.type ?? found.element.converted_type ?? found.element.type}, not strings` : `there is no column ${JSON.stringify(name)}`}; columns of strings: ${strings}`);
}
