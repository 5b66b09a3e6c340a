import type { ContentfulStatusCode } from 'hono/utils/http-status';

/** An error as OpenAI's interface tells it. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  constructor(readonly status: ContentfulStatusCode, message: string, readonly code: string | null = null, readonly param: string | null = null) { super(message); }

  get body(): { readonly error: { readonly message: string; readonly type: string; readonly param: string | null; readonly code: string | null } } {
    const type = this.status === 429 ? 'rate_limit_error' : this.status >= 500 ? 'server_error' : 'invalid_request_error';
    return { error: { message: this.message, type, param: this.param, code: this.code } };
  }
}
