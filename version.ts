/** The version of this Kavka. */
export const VERSION = "0.1.0";
