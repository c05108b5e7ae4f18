/* What a request is answered with: a result, or why it is refused. */

/** What a change answers: it is done, and perhaps the user should know something (printed on stderr). */
export interface Done {
  warnings?: string[];
}

/** What a refused request answers. */
export interface ApiError {
  /** The kernel's name for it: EEXIST, ENODEV, EBUSY … ; clients of real tools print strerror of it. */
  errno: string;
  /** The kernel's extended ack, where the kernel would send one. */
  extack?: string;
  /** Of route.bulk with `stopAtFirst`: which of its routes failed. */
  index?: number;
  /** cannot VERB OBJECT: CAUSE; HINT */
  message: string;
}

export type Answer<T = unknown> = { id: number; result: T; end?: boolean } | { id: number; error: ApiError };
