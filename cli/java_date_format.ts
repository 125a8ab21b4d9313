/** Times written as a pattern of Java's SimpleDateFormat says, as far as its letters are numbers. Local time. Pure. */

/** For example `yyyy-MM-dd HH:mm:ss:SSS`; text in single quotes stands for itself. */
export function formatTime(timeMs: number, pattern: string): string {
  const date = new Date(timeMs);
  return pattern.replace(/'((?:[^']|'')*)'|([A-Za-z])\2*/g, (letters: string, quoted: string | undefined) => {
    if (quoted !== undefined) return quoted === "" ? "'" : quoted.replaceAll("''", "'");
    const value = fieldOf(date, letters);
    return value === null ? letters : String(value).padStart(letters.length, "0");
  });
}

function fieldOf(date: Date, letters: string): number | null {
  switch (letters[0]) {
    case "y":
      return letters.length === 2 ? date.getFullYear() % 100 : date.getFullYear();
    case "M":
      return date.getMonth() + 1;
    case "d":
      return date.getDate();
    case "H":
      return date.getHours();
    case "h":
      return date.getHours() % 12 === 0 ? 12 : date.getHours() % 12;
    case "m":
      return date.getMinutes();
    case "s":
      return date.getSeconds();
    case "S":
      return date.getMilliseconds();
    default:
      return null;
  }
}
