/** Address family as routes and rules need it. */
export type Family = 4 | 6;
