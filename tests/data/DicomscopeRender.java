import J2Ci.jDVInterface;
import java.awt.Dimension;
import java.awt.image.BufferedImage;
import java.awt.image.IndexColorModel;
import java.io.File;
import javax.imageio.ImageIO;
import main.MainContext;
import viewer.presentation.JavaTransformationConverter;
import viewer.presentation.PresentationStateGraphicsHandler;

/**
 * What the screen of DICOMscope shows of a film under a presentation state, as a PNG file.
 * Arguments: settings, film, state, picture, width, height.
 */
public class DicomscopeRender {
    public static void main(String[] given) throws Exception {
        MainContext context = MainContext.instance(); // loads the native library
        jDVInterface files = new jDVInterface(given[0]);
        context.initConfiguration(files);
        if (files.loadPState(given[2], given[1]) != 0) {
            throw new IllegalStateException("DICOMscope does not load the presentation state");
        }
        Dimension size = new Dimension(Integer.parseInt(given[4]), Integer.parseInt(given[5]));
        PresentationStateGraphicsHandler state = new PresentationStateGraphicsHandler(files);
        state.setNewPresentationState(size);
        state.calculateFirstZoomValue();
        BufferedImage screen = new BufferedImage(size.width, size.height,
            BufferedImage.TYPE_BYTE_INDEXED, (IndexColorModel) context.getIndexColorModel());
        JavaTransformationConverter converter = new JavaTransformationConverter(state);
        converter.drawInDeviceSpaceFirst(screen, state.getZoomValue(), true, 0);
        state.drawPaintStructure(screen, converter.getTransformation(),
            converter.getOverlayTransformation(), false, 8, false);
        ImageIO.write(screen, "png", new File(given[3]));
        System.exit(0); // threads of the library would go on
    }
}
