/** One question with its answer, whatever format it came in. */
export interface Row {
  /** Unique among the rows loaded together: the file's stem and the line, such as "train:12". */
  id: string;
  /** The question; `<image>` marks, where there are any, say where the images go. */
  problem: string;
  /** The right answer. */
  answer: string;
  /** Kind of the question, as the dataset writes it; may be empty. */
  category: string;
  /** Abilities that the question asks for. */
  abilities: readonly string[];
  /** A worked-out reasoning, the target of supervised warm-up; may be empty. */
  refinedCot: string;
  /** Absolute paths of the images, in their order. */
  images: readonly string[];
  /** How the answer is to be rewarded, as the dataset writes it; may be empty. */
  reward: string;
  /** Every column as the file has it, for what reads more than the above. */
  columns: Readonly<Record<string, unknown>>;
  /** The file and the line (from 1) that the row was read from. */
  file: string;
  line: number;
}
