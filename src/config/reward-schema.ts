/** The section `reward` of the configuration. */
import { z } from 'zod';
import { count, fraction, text } from './fields.ts';
import {
  DEFAULT_ROUTES_BY_CATEGORY,
  DEFAULT_ROUTES_BY_REWARD,
  ROUTE_NAMES,
  routeKey,
  type Routes,
} from './reward-routes.ts';

/** A table from values to routes: what the user gives adds to the defaults. */
const routes = (defaults: Routes) =>
  z
    .record(z.string(), z.enum(ROUTE_NAMES))
    .default({})
    .transform((given): Routes => ({
      ...defaults,
      ...Object.fromEntries(Object.entries(given).map(([value, route]) => [routeKey(value), route])),
    }));

const rewardModel = z
  .strictObject({
    path: text().nullable().default(null).describe('Hugging Face folder with onnx/model.onnx; null: none.'),
    task: z
      .enum(['classification', 'similarity'])
      .default('classification')
      .describe('"classification" reads the logits of texts; "similarity" compares two sentence embeddings.'),
    text: text()
      .default('{answer}')
      .describe('First text; {problem}, {answer}, {extracted} and {response} are filled in.'),
    text_pair: text().nullable().default('{extracted}').describe('Second text; null: none.'),
    activation: z
      .enum(['auto', 'sigmoid', 'softmax', 'none'])
      .default('auto')
      .describe('From logits to a score; auto: sigmoid of one logit, softmax of several.'),
    label: text()
      .nullable()
      .default(null)
      .describe('The class whose logit counts, by its name in config.json; null: the last one.'),
    similarity_range: z
      .tuple([z.number(), z.number()], { error: 'two numbers, the lower one first' })
      .default([0, 1])
      .describe('Cosines from the first to the second become scores from 0 to 1.'),
    threshold: fraction()
      .nullable()
      .default(null)
      .describe('Scores from here on are 1, others 0; null: as is.'),
    device: z.enum(['cpu', 'webgpu']).default('cpu').describe('Where ONNX Runtime computes.'),
    dtype: z
      .enum(['fp32', 'fp16', 'q8', 'int8', 'uint8', 'q4'])
      .default('fp32')
      .describe('Which of the ONNX files: model.onnx, model_fp16.onnx, model_quantized.onnx, ...'),
    batch_size: count().default(32).describe('Answers per run of the model.'),
  })
  .prefault({})
  .describe('A model that assesses answers, run by ONNX Runtime.');

const judge = z
  .strictObject({
    base_url: z
      .url({ protocol: /^https?$/, error: 'an http or https address, such as http://localhost:8000/v1' })
      .nullable()
      .default(null)
      .describe('OpenAI-compatible endpoint, such as http://localhost:8000/v1; null: no judge.'),
    model: text().default('default').describe('Name of the model at the endpoint.'),
    api_key_env: text()
      .default('OPENAI_API_KEY')
      .describe('Environment variable that holds the key, if any.'),
    template_file: text()
      .nullable()
      .default(null)
      .describe(
        'Text with {problem}, {answer}, {response}, {extracted}, {tiers}; null: the built-in prompt.',
      ),
    send_image: z.boolean().default(false).describe("Show the row's images to the judge."),
    tiers: z
      .array(fraction())
      .min(2)
      .default([0, 0.25, 0.5, 0.75, 1])
      .describe('The scores that the judge may give.'),
    response_format: z
      .enum(['auto', 'json_schema', 'json_object', 'text'])
      .default('auto')
      .describe('Structured output; auto: json_schema, and text where the server refuses it.'),
    temperature: z.number().min(0).default(0).describe('Sampling temperature of the judge.'),
    max_tokens: count().default(512).describe('Longest reply of the judge in tokens.'),
    extra_body: z
      .record(z.string(), z.unknown())
      .default({})
      .describe('More keys of the request, such as chat_template_kwargs; a null takes a key out.'),
    max_concurrency: count().default(8).describe('Calls in flight at once.'),
    timeout_s: z.number().positive().default(60).describe('Longest wait for one reply in seconds.'),
    max_retries: z.int().min(0).default(4).describe('Further tries of a call that failed.'),
    cache_file: text()
      .nullable()
      .default('auto')
      .describe("SQLite file of past judgements; auto: in the user's cache folder; null: none."),
  })
  .prefault({})
  .describe('A chat model that assesses answers.');

const shapingWeight = (term: string) =>
  z.number().default(0).describe(`Weight of the ${term} term; 0 turns it off.`);

export const reward = z
  .strictObject({
    accuracy_weight: z.number().min(0).default(0.7).describe('Weight of the accuracy part of the reward.'),
    format_weight: z.number().min(0).default(0.3).describe('Weight of the format part of the reward.'),
    format_partial_credit: z
      .boolean()
      .default(false)
      .describe('Give a quarter of the format part for each of the four tags that is there once.'),
    verifier_by_reward: routes(DEFAULT_ROUTES_BY_REWARD).describe(
      "Verifier or model by the value of a row's reward; adds to the defaults. A value that is not here is an error.",
    ),
    verifier_by_category: routes(DEFAULT_ROUTES_BY_CATEGORY).describe(
      'The same by the value of category, for rows whose reward is empty or "rule"; "*" stands for any other value.',
    ),
    number_tolerance: fraction()
      .default(0)
      .describe(
        "Relative error up to which a number counts as right; a row's column tolerance overrides it.",
      ),
    box_iou_threshold: fraction()
      .nullable()
      .default(null)
      .describe('A box is right from this overlap on; null: the overlap is the score.'),
    check_timeout_ms: count()
      .default(200)
      .describe('Longest computing time of one check by rule, in milliseconds; more is "not verified".'),
    model: rewardModel,
    judge,
    max_failed_fraction: fraction()
      .default(0.1)
      .describe('Stop when more of the assessments by a model fail than this.'),
    functions: z
      .array(text())
      .default([])
      .describe('Your own parts of the reward: file.ts:function, counted from the current folder.'),
    function_weights: z
      .array(z.number())
      .nullable()
      .default(null)
      .describe('Weight of each function; null: 1 each.'),
    overlong: z
      .strictObject({
        weight: shapingWeight('overlong'),
        buffer_tokens: count()
          .default(512)
          .describe('From so many tokens before the limit on, the term falls from 0 to -1.'),
      })
      .prefault({})
      .describe("DAPO's soft punishment of responses near data.max_response_length."),
    repetition: z
      .strictObject({
        weight: shapingWeight('repetition'),
        ngram: z.int().min(2).default(3).describe('Words of a sequence.'),
      })
      .prefault({})
      .describe('From 0 to -1 with the share of word sequences that come again.'),
    cosine: z
      .strictObject({
        weight: shapingWeight('cosine'),
        right: z
          .tuple([z.number(), z.number()], { error: 'two numbers' })
          .default([1, 0.5])
          .describe('Value of a right answer of no tokens, and of one at the limit.'),
        wrong: z
          .tuple([z.number(), z.number()], { error: 'two numbers' })
          .default([-1, -0.5])
          .describe('Value of a wrong answer of no tokens, and of one at the limit.'),
      })
      .prefault({})
      .describe('Length reward: short right answers beat long ones, long wrong ones short ones.'),
    shuffle_in_group: z
      .boolean()
      .default(false)
      .describe('Control experiment: shuffle the rewards inside each group, so that they teach nothing.'),
  })
  .prefault({});
