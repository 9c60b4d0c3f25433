/** All verifiers by name. Importing this loads the algebra engine; only the worker of checker.ts does. */
import type { VerifierName } from '../../config/reward-routes.ts';
import { verifyBox } from './box.ts';
import { verifyChoice } from './choice.ts';
import { verifyCount } from './count.ts';
import { verifyDetection } from './detection.ts';
import { verifyList, verifyOrderedList } from './list.ts';
import { verifyMath } from './math.ts';
import { verifyNumber } from './number.ts';
import { verifyRelaxed } from './relaxed.ts';
import { verifyText } from './text.ts';
import type { Verifier } from './verdict.ts';
import { verifyYesNo } from './yes-no.ts';

export const VERIFIERS: Readonly<Record<VerifierName, Verifier>> = {
  number: verifyNumber,
  count: verifyCount,
  relaxed: verifyRelaxed,
  choice: verifyChoice,
  yes_no: verifyYesNo,
  math: verifyMath,
  text: verifyText,
  list: verifyList,
  ordered_list: verifyOrderedList,
  box: verifyBox,
  detection: verifyDetection,
};
