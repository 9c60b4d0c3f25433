/** Draws a run's reward and held-out accuracy: node scripts/draw-curve.ts RUN_FOLDER docs/quickstart-curve.svg */
import { readMetrics } from '../src/train/report-data.ts';
import { writeCurveSvg } from '../src/train/report.ts';

const [runFolder, outFile] = process.argv.slice(2);
if (!runFolder || !outFile) throw new Error('usage: node scripts/draw-curve.ts RUN_FOLDER OUT.svg');
await writeCurveSvg(await readMetrics(runFolder), outFile);
